using System.Text;

namespace PeftCore.Cli.Completion;

/// <summary>Writes the completion function of bash. zsh runs it with its bashcompinit.</summary>
internal static class BashCompletion
{
    private const string Directories = "_peftcore_paths -d; return", Files = "_peftcore_paths -f; return";

    public static string Script(IReadOnlyList<CompletionTable> tables) => $"""
        # Completion of peftcore for bash. To install it for yourself:
        #   peftcore completion bash > ~/.local/share/bash-completion/completions/peftcore
        {Function(tables)}
        """;

    public static string ZshScript(IReadOnlyList<CompletionTable> tables) => $"""
        # Completion of peftcore for zsh. To install it for yourself:
        #   peftcore completion zsh > ~/.peftcore-completion && echo '. ~/.peftcore-completion' >> ~/.zshrc
        autoload -U +X compinit && compinit
        autoload -U +X bashcompinit && bashcompinit
        {Function(tables)}
        """;

    private static string Function(IReadOnlyList<CompletionTable> tables) => $$"""
        _peftcore_paths() {
            compopt -o filenames 2>/dev/null
            local path
            while IFS= read -r path; do
                COMPREPLY+=("$prefix$path")
            done < <(compgen "$1" -- "$cur")
        }

        _peftcore() {
            local cur prev verb='' prefix='' words='' i
            COMPREPLY=()
            cur=${COMP_WORDS[COMP_CWORD]}
            prev=${COMP_WORDS[COMP_CWORD-1]}
            # --dtype=bf16 is one word, or three where the equals sign divides words.
            if [[ $cur == '=' ]]; then
                cur=''
            elif [[ $prev == '=' ]]; then
                prev=${COMP_WORDS[COMP_CWORD-2]}
            elif [[ $cur == --*=* ]]; then
                prefix=${cur%%=*}=
                prev=${cur%%=*}
                cur=${cur#*=}
            fi
            [[ $prev == --* ]] && prev=${prev//_/-}
            for ((i = 1; i < COMP_CWORD; i++)); do
                case "$verb/${COMP_WORDS[i]}" in
        {{VerbCases(tables)}}        esac
            done
            case "$verb:$prev" in
        {{ValueCases(tables)}}    esac
            if [[ -z $words && $cur != -* ]]; then
                case "$verb" in
        {{ArgumentCases(tables)}}        esac
            fi
            if [[ -z $words ]]; then
                case "$verb" in
        {{OptionCases(tables)}}        esac
            fi
            while IFS= read -r i; do
                COMPREPLY+=("$i")
            done < <(compgen -P "$prefix" -W "$words" -- "$cur")
        }

        complete -F _peftcore peftcore

        """;

    /// <summary>Finds the verb that was typed: the patterns are what was found before, a slash, and the next word.</summary>
    private static string VerbCases(IReadOnlyList<CompletionTable> tables) => Cases(tables.SelectMany(table => table.Verbs.Select(verb =>
        ($"'{table.Path}/{verb}'", $"verb='{$"{table.Path} {verb}".Trim()}'"))), 12);

    private static string ValueCases(IReadOnlyList<CompletionTable> tables) => Cases(
        from table in tables
        from option in table.Options
        where option.Values is not null
        from name in option.Names
        select ($"'{table.Path}:{name}'", Offer(option.Values!)), 8);

    private static string ArgumentCases(IReadOnlyList<CompletionTable> tables) => Cases(
        from table in tables
        where table.Arguments is not null || table.Verbs.Count > 0
        select ($"'{table.Path}'", table.Arguments is { } values ? Offer(values) : $"words='{string.Join(' ', table.Verbs)}'"), 12);

    private static string OptionCases(IReadOnlyList<CompletionTable> tables) => Cases(tables.Select(table => ($"'{table.Path}'",
        $"words='{string.Join(' ', table.Options.SelectMany(option => option.Names).Distinct())}'")), 12);

    private static string Offer(CompletionValues values) =>
        (values.Words.Count > 0 ? $"words='{string.Join(' ', values.Words)}'" : "")
        + (values is { Words.Count: > 0, Files: true } or { Words.Count: > 0, Directories: true } ? "; _peftcore_paths -f"
            : values.Files ? Files : values.Directories ? Directories : values.Words.Count == 0 ? "return" : "");

    /// <summary>The branches of a case command; patterns with the same outcome share one.</summary>
    private static string Cases(IEnumerable<(string Pattern, string Outcome)> cases, int indent)
    {
        var text = new StringBuilder();
        foreach (var group in cases.GroupBy(branch => branch.Outcome, branch => branch.Pattern))
        {
            text.Append(' ', indent).Append(string.Join('|', group)).Append(") ").Append(group.Key).Append(" ;;\n");
        }
        return text.ToString();
    }
}
