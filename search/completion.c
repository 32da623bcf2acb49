/* SPDX-License-Identifier: Apache-2.0
 * search/completion.c -- completion scripts, from the tables that the commands parse by.
 * For bash the tables become three functions that say what may stand where; search/help/completion.bash, which is the
 * rest of the script, asks them. zsh and fish have words of their own for such tables (_arguments, complete). */
#include <string.h>
#include "search/help.h"

extern const char se_completion_bash[];

/* Where a table goes. */
typedef struct writer {
	const se_command *commands;
	ir_str *out;
} writer;

/* The next word of a command's operands, without brackets and quotes: "DB [FILE]" -> DB, FILE. */
static bool next_operand(const char **at, ir_str *word)
{
	size_t n;

	*at += strspn(*at, " ");
	n = strcspn(*at, " ");
	sb_clear(word);
	for (size_t i = 0; i < n; i++)
		if (!strchr("[]\"", (*at)[i]))
			sb_putc(word, (*at)[i]);
	*at += n;
	return n > 0;
}

static bool is(const ir_choice *c, const char *text)
{
	return strlen(text) == (size_t)c->n && !memcmp(c->text, text, (size_t)c->n);
}

/* The words among a placeholder's choices, a blank before each; *file is set if a file may stand there too. COMMAND and
 * TOPIC stand for the program's own. */
static void put_words(const writer *w, const char *placeholder, bool *file)
{
	ir_choice c;

	*file = false;
	for (const char *at = placeholder; ir_cli_choice(&at, &c);) {
		if (c.kind == IR_CHOICE_WORD)
			sb_printf(w->out, " %.*s", c.n, c.text);
		else if (c.kind == IR_CHOICE_FILE)
			*file = true;
		else if (is(&c, "COMMAND"))
			for (const se_command *k = w->commands; k->name; k++)
				sb_printf(w->out, "%s%s", k->hidden ? "" : " ", k->hidden ? "" : k->name);
		else if (is(&c, "TOPIC"))
			for (const se_topic *t = se_topics; t->name; t++)
				sb_printf(w->out, " %s", t->name);
	}
}

/* Text inside single quotes, where a shell takes every other character as it is; characters of escape get a backslash. */
static void put_quoted(ir_str *out, const char *s, size_t n, const char *escape)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\'')
			sb_put(out, "'\\''");
		else
			sb_printf(out, "%s%c", strchr(escape, s[i]) ? "\\" : "", s[i]);
	}
}

static void each(const writer *w, ir_cli_reader *read)
{
	for (const se_command *c = w->commands; c->name; c++)
		if (!c->hidden)
			ir_cli_describe(c->run, read, (void *)w);
}

/* ---- bash -------------------------------------------------------------------------------------------- */

static void bash_options(void *to, const ir_command *c, const ir_opt *opt, size_t n)
{
	const writer *w = to;

	sb_printf(w->out, "\t%s) echo '--help", c->name);
	for (size_t i = 0; i < n; i++)
		sb_printf(w->out, " --%.*s", ir_opt_length(&opt[i]), opt[i].name);
	sb_put(w->out, "' ;;\n");
}

static void bash_value(const writer *w, const char *placeholder)
{
	bool file;

	sb_put(w->out, ") echo '");
	put_words(w, placeholder, &file);
	sb_printf(w->out, "%s' ;;\n", file ? " FILE" : "");
}

static void bash_values(void *to, const ir_command *c, const ir_opt *opt, size_t n)
{
	const writer *w = to;

	for (size_t i = 0; i < n; i++) {
		if (!ir_opt_takes_value(&opt[i]))
			continue;
		sb_printf(w->out, "\t%s:--%.*s", c->name, ir_opt_length(&opt[i]), opt[i].name);
		if (ir_opt_short(&opt[i]))
			sb_printf(w->out, " | %s:-%c", c->name, ir_opt_short(&opt[i]));
		bash_value(w, opt[i].arg);
	}
}

static void bash_operands(void *to, const ir_command *c, const ir_opt *opt, size_t n)
{
	const writer *w = to;
	const char *at = c->operands ? c->operands : "";
	ir_str word;

	(void)opt, (void)n;
	sb_init(&word);
	for (int i = 1; next_operand(&at, &word); i++) {
		sb_printf(w->out, "\t%s:%d", c->name, i);
		bash_value(w, word.s);
	}
	sb_fini(&word);
}

/* Options that take all words up to the next option. */
static void bash_lists(void *to, const ir_command *c, const ir_opt *opt, size_t n)
{
	const writer *w = to;

	for (size_t i = 0; i < n; i++)
		if (opt[i].kind == IR_OPT_WORDS)
			sb_printf(w->out, "\t%s:--%.*s) return 0 ;;\n", c->name, ir_opt_length(&opt[i]), opt[i].name);
}

static void put_bash(const writer *w)
{
	bool file;

	sb_put(w->out, "# bash completion, written by 'gradmill completion bash'\n\n_gradmill_commands='");
	put_words(w, "COMMAND", &file);
	sb_put(w->out, "'\n\n_gradmill_options() # command\n{\n\tcase $1 in\n");
	each(w, bash_options);
	sb_put(w->out, "\tesac\n}\n\n_gradmill_values() # command:option; false: it takes none\n{\n\tcase $1 in\n");
	each(w, bash_values);
	sb_put(w->out, "\t*) return 1 ;;\n\tesac\n}\n\n_gradmill_operands() # command:place\n{\n\tcase $1 in\n");
	each(w, bash_operands);
	sb_put(w->out, "\tesac\n}\n\n_gradmill_is_list() # command:option\n{\n\tcase $1 in\n");
	each(w, bash_lists);
	sb_put(w->out, "\tesac\n\treturn 1\n}\n\n");
	sb_put(w->out, se_completion_bash);
}

/* ---- zsh --------------------------------------------------------------------------------------------- */

/* What _arguments does for a value: ":FILE:_files", ":T:(f32 f64)", both, or ":N: " for what nobody can guess. */
static void zsh_action(const writer *w, const char *placeholder)
{
	ir_str words;
	bool file;

	sb_init(&words);
	put_words(&(writer){w->commands, &words}, placeholder, &file);
	sb_putc(w->out, ':');
	put_quoted(w->out, placeholder, strlen(placeholder), ":[]\\");
	sb_putc(w->out, ':');
	if (words.n && file)
		sb_printf(w->out, "{_gradmill_or_file %s}", words.s + 1);
	else if (words.n)
		sb_printf(w->out, "(%s)", words.s + 1);
	else
		sb_put(w->out, file ? "_files" : " ");
	sb_fini(&words);
}

static void zsh_option(const writer *w, const ir_opt *o)
{
	const char *arg = o->arg ? o->arg : "VALUE";

	for (int brief = 0; brief <= (ir_opt_short(o) != 0); brief++) {
		sb_put(w->out, " \\\n\t\t\t'");
		if (brief)
			sb_printf(w->out, "-%c[", ir_opt_short(o));
		else
			sb_printf(w->out, "--%.*s%s[", ir_opt_length(o), o->name,
				  ir_opt_takes_value(o) && o->kind != IR_OPT_WORDS ? "=" : "");
		put_quoted(w->out, o->help ? o->help : "", o->help ? strlen(o->help) : 0, "[]:\\");
		sb_putc(w->out, ']');
		if (o->kind == IR_OPT_WORDS)
			sb_put(w->out, ":*-*"); /* up to the next option */
		if (ir_opt_takes_value(o))
			zsh_action(w, arg);
		sb_putc(w->out, '\'');
	}
}

static void zsh_command(void *to, const ir_command *c, const ir_opt *opt, size_t n)
{
	const writer *w = to;
	const char *at = c->operands ? c->operands : "";
	ir_str word;

	sb_printf(w->out, "\t%s)\n\t\t_arguments '(-h --help)'{-h,--help}'[examples and options]'", c->name);
	for (size_t i = 0; i < n; i++)
		zsh_option(w, &opt[i]);
	sb_init(&word);
	for (int i = 1; next_operand(&at, &word); i++) {
		sb_printf(w->out, " \\\n\t\t\t'%d", i);
		zsh_action(w, word.s);
		sb_putc(w->out, '\'');
	}
	sb_fini(&word);
	sb_put(w->out, " ;;\n");
}

static void zsh_summary(void *to, const ir_command *c, const ir_opt *opt, size_t n)
{
	const writer *w = to;

	(void)opt, (void)n;
	sb_printf(w->out, "\t\t'%s:", c->name);
	put_quoted(w->out, c->summary, strlen(c->summary), "");
	sb_put(w->out, "'\n");
}

static void put_zsh(const writer *w)
{
	sb_put(w->out, "#compdef gradmill\n# zsh completion, written by 'gradmill completion zsh'\n\n"
		       "_gradmill_or_file() # words\n{\n\t_alternative \"words:word:($*)\" 'files:file:_files'\n}\n\n"
		       "_gradmill()\n{\n\tlocal -a commands=(\n");
	each(w, zsh_summary);
	sb_put(w->out, "\t)\n\tif (( CURRENT == 2 )); then\n\t\t_describe command commands\n\t\treturn\n\tfi\n"
		       "\tshift words\n\t(( CURRENT-- ))\n\tcase $words[1] in\n");
	each(w, zsh_command);
	sb_put(w->out, "\tesac\n}\n\n"
		       "if [ \"$funcstack[1]\" = _gradmill ]; then\n\t_gradmill \"$@\" # read from a folder of functions\n"
		       "elif (( $+functions[compdef] )); then\n\tcompdef _gradmill gradmill # read by 'source'\nfi\n");
}

/* ---- fish -------------------------------------------------------------------------------------------- */

static void fish_words(const writer *w, const char *placeholder, const char *without)
{
	ir_str words;
	bool file;

	sb_init(&words);
	put_words(&(writer){w->commands, &words}, placeholder, &file);
	if (words.n)
		sb_printf(w->out, " -a '%s'", words.s + 1);
	sb_put(w->out, file ? " -F" : without);
	sb_fini(&words);
}

static void fish_option(const writer *w, const ir_command *c, const ir_opt *o)
{
	sb_printf(w->out, "complete -c gradmill -n '__fish_seen_subcommand_from %s' -l %.*s", c->name, ir_opt_length(o), o->name);
	if (ir_opt_short(o))
		sb_printf(w->out, " -s %c", ir_opt_short(o));
	if (ir_opt_takes_value(o)) {
		sb_put(w->out, " -r");
		fish_words(w, o->arg, " -f");
	}
	sb_put(w->out, " -d '");
	for (const char *s = o->help ? o->help : ""; *s; s++)
		sb_printf(w->out, "%s%c", strchr("'\\", *s) ? "\\" : "", *s); /* fish's quotes know these escapes */
	sb_put(w->out, "'\n");
}

/* Of the operands the first: fish does not count them. */
static void fish_command(void *to, const ir_command *c, const ir_opt *opt, size_t n)
{
	const writer *w = to;
	const char *at = c->operands ? c->operands : "";
	ir_str word;

	sb_printf(w->out, "complete -c gradmill -n __fish_use_subcommand -f -a %s -d '", c->name);
	for (const char *s = c->summary; *s; s++)
		sb_printf(w->out, "%s%c", strchr("'\\", *s) ? "\\" : "", *s);
	sb_put(w->out, "'\n");
	sb_init(&word);
	next_operand(&at, &word);
	sb_printf(w->out, "complete -c gradmill -n '__fish_seen_subcommand_from %s'", c->name);
	fish_words(w, word.s, " -f");
	sb_putc(w->out, '\n');
	sb_fini(&word);
	for (size_t i = 0; i < n; i++)
		fish_option(w, c, &opt[i]);
}

static void put_fish(const writer *w)
{
	sb_put(w->out, "# fish completion, written by 'gradmill completion fish'\n\n");
	each(w, fish_command);
}

/* ------------------------------------------------------------------------------------------------------ */

bool se_put_completion(const se_command *commands, const char *shell, ir_str *out)
{
	static const struct {
		const char *name;
		void (*put)(const writer *w);
	} shells[] = {{"bash", put_bash}, {"zsh", put_zsh}, {"fish", put_fish}};

	for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
		if (!strcmp(shells[i].name, shell)) {
			shells[i].put(&(writer){commands, out});
			return true;
		}
	}
	return false;
}
