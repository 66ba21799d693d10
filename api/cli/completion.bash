# api/cli: completes rollcall's commands, options and campaign ids in bash.

_rollcall() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command= i
	local commands='run preview watch list show targets events pause resume cancel approve retry schedules webhooks hubs'
	local always='--url --token-file --ca-file --output --help --version' watching='--watch --plain --patience --until-approval'
	local states='waiting invoking doubtful awaitingProof succeeded failed skipped cancelled'
	local reasons='refused noMethod deviceFailed noProof unknown offlineExpired hubRejected gone'

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-u | -o | -f | --url | --token-file | --ca-file | --output | --file) ((i++)) ;;
		-*) ;;
		*) command=${COMP_WORDS[i]} && break ;;
		esac
	done
	case $before in
	-f | --file | --token-file | --ca-file)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	-o | --output)
		mapfile -t COMPREPLY < <(compgen -W 'text json csv' -- "$word")
		return
		;;
	--state)
		[ "$command" != list ] || states='scheduled selecting awaitingApproval running paused cancelling completed cancelled failed'
		mapfile -t COMPREPLY < <(compgen -W "$states" -- "$word")
		return
		;;
	--reason)
		mapfile -t COMPREPLY < <(compgen -W "$reasons" -- "$word")
		return
		;;
	esac
	case $command:$word in
	:*) mapfile -t COMPREPLY < <(compgen -W "$commands $always" -- "$word") ;;
	run:-*) mapfile -t COMPREPLY < <(compgen -W "--file --key $watching $always" -- "$word") ;;
	preview:-*) mapfile -t COMPREPLY < <(compgen -W "--file $always" -- "$word") ;;
	watch:-*) mapfile -t COMPREPLY < <(compgen -W "--plain --patience --until-approval $always" -- "$word") ;;
	list:-*) mapfile -t COMPREPLY < <(compgen -W "--state --name --limit $always" -- "$word") ;;
	show:-*) mapfile -t COMPREPLY < <(compgen -W "--hub $always" -- "$word") ;;
	targets:-*)
		mapfile -t COMPREPLY < <(compgen -W \
			"--state --reason --waiting-for --wave --group --hub --device --limit $always" -- "$word")
		;;
	events:-*) mapfile -t COMPREPLY < <(compgen -W "--after --follow --limit $always" -- "$word") ;;
	approve:-*) mapfile -t COMPREPLY < <(compgen -W "--override $watching $always" -- "$word") ;;
	retry:-*) mapfile -t COMPREPLY < <(compgen -W "--reason --key $watching $always" -- "$word") ;;
	pause:-* | resume:-* | cancel:-*) mapfile -t COMPREPLY < <(compgen -W "$watching $always" -- "$word") ;;
	schedules:-*) mapfile -t COMPREPLY < <(compgen -W "--limit $always" -- "$word") ;;
	webhooks:-*) mapfile -t COMPREPLY < <(compgen -W "--forget --limit $always" -- "$word") ;;
	hubs:-*) mapfile -t COMPREPLY < <(compgen -W "$always" -- "$word") ;;
	watch:* | show:* | targets:* | events:* | pause:* | resume:* | cancel:* | approve:* | retry:*)
		# the newest campaigns, where the service answers
		mapfile -t COMPREPLY < <(compgen -W "$(rollcall list --limit 50 2>/dev/null | awk 'NR > 1 { print $1 }')" -- "$word")
		;;
	esac
}
complete -F _rollcall rollcall
