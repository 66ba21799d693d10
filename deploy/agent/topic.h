/* agent/topic: IoT Hub's MQTT topics (docs: iot-mqtt-connect-to-iot-hub). Pure. */
#ifndef ROLLCALL_DEPLOY_AGENT_TOPIC_H
#define ROLLCALL_DEPLOY_AGENT_TOPIC_H

#include <stdbool.h>

#define TOPIC_METHODS "$iothub/methods/POST/#"
#define TOPIC_TWIN "$iothub/twin/res/#"

#define TOPIC_NAME_SIZE 129
#define TOPIC_RID_SIZE 129

/* $iothub/methods/POST/{name}/?$rid={rid}: false where topic is nothing of the kind, or a part is too long.
 */
bool topic_read_method(const char *topic, char name[TOPIC_NAME_SIZE], char rid[TOPIC_RID_SIZE]);
/* $iothub/twin/res/{status}/?$rid={rid}[&$version={n}] */
bool topic_read_twin(const char *topic, int *ret_status, char rid[TOPIC_RID_SIZE]);

#endif
