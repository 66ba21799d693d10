-- The call that wrk makes: as long as those of rollcalld, but always the same, which costs wrk nothing.
wrk.method = "POST"
wrk.headers["User-Agent"] = "rollcall/0.1.0"
wrk.headers["Accept"] = "*/*"
wrk.headers["Authorization"] = "SharedAccessSignature sr=localhost&sig=" .. ("0"):rep(44) .. "%3D&se=1800000000&skn=service"
wrk.headers["Content-Type"] = "application/json; charset=utf-8"
wrk.body = '{"methodName":"reboot","responseTimeoutInSeconds":30,"connectTimeoutInSeconds":0,' ..
	'"payload":{"attemptId":"0mwtafwbzmr07g1jcxtop-0000001-1"}}'
