/* agent/main: reads the options and runs the agent. */
#include <stdio.h>

#include "deploy/agent/agent.h"
#include "deploy/agent/options.h"

enum exit_status {
	STATUS_STOPPED = 0, /* as asked, by SIGTERM or SIGINT */
	STATUS_FAILED = 1,  /* it cannot remember attempts, or tell one boot from another */
	STATUS_WRONG = 2,   /* the command line */
};

int main(int argc, char **argv)
{
	struct options options;
	bool is_good;

	switch (options_read(argc, argv, &options)) {
	case OPTIONS_HELP:
		return STATUS_STOPPED;
	case OPTIONS_WRONG:
		return STATUS_WRONG;
	case OPTIONS_GOOD:
		break;
	}
	is_good = agent_run(&options);
	options_done(&options);
	return is_good ? STATUS_STOPPED : STATUS_FAILED;
}
