# COMPREPLY from what may stand there: words, and files where FILE is one of them.
_gradmill_reply() # current word, what may stand there
{
	local words=" $2 "

	mapfile -t COMPREPLY < <(compgen -W "${words/ FILE / }" -- "$1")
	if [[ $words == *" FILE "* ]]; then
		compopt -o filenames 2>/dev/null # outside of a completion there is nothing to set
		mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$1")
	fi
}

# The words behind the command: which operand the current one is, whether an option waits for it. Bash cuts --emit=plan in
# three words.
_gradmill()
{
	local command=${COMP_WORDS[1]-} current=${COMP_WORDS[COMP_CWORD]-} option='' place=1 i word

	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		_gradmill_reply "$current" "$_gradmill_commands --help --version"
		return
	fi
	for ((i = 2; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $word == '=' ]]; then
			continue
		elif [[ $word == -* ]]; then
			option=''
			_gradmill_values "$command:$word" >/dev/null && option=$word
		elif [[ -z $option ]]; then
			((place++))
		elif ! _gradmill_is_list "$command:$option"; then
			option=''
		fi
	done
	[[ $current == '=' ]] && current=''
	if [[ $current == -* ]]; then
		_gradmill_reply "$current" "$(_gradmill_options "$command")"
	elif [[ -n $option ]]; then
		_gradmill_reply "$current" "$(_gradmill_values "$command:$option")"
	else
		_gradmill_reply "$current" "$(_gradmill_operands "$command:$place")"
	fi
}

complete -F _gradmill gradmill
