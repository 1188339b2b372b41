using System.Text;

namespace PeftCore.Cli.Completion;

/// <summary>Writes the completion script of PowerShell, which itself offers files where the script returns nothing.</summary>
internal static class PowerShellCompletion
{
    public static string Script(IReadOnlyList<CompletionTable> tables) => $$"""
        # Completion of peftcore for PowerShell. To install it for yourself:
        #   peftcore completion pwsh >> $PROFILE
        Register-ArgumentCompleter -Native -CommandName peftcore -ScriptBlock {
            param($wordToComplete, $commandAst, $cursorPosition)
            # What can follow a verb: its verbs, its arguments and its options.
            $words = @{
        {{Words(tables)}}    }
            # What can follow an option; nothing where it takes any text or a file.
            $values = @{
        {{Values(tables)}}    }
            $typed = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
            if ($wordToComplete) { $typed = @($typed | Select-Object -SkipLast 1) }
            $verb = ''
            foreach ($word in $typed) {
                $next = "$verb $word".Trim()
                if ($words.ContainsKey($next)) { $verb = $next }
            }
            $key = if ($typed.Count) { "${verb}:" + ($typed[-1] -replace '_', '-') } else { '' }
            $found = if ($values.ContainsKey($key)) { $values[$key] } else { $words[$verb] }
            $found | Where-Object { $_ -like "$wordToComplete*" } | ForEach-Object {
                [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
            }
        }

        """;

    private static string Words(IReadOnlyList<CompletionTable> tables) => Rows(tables.Select(table => (table.Path,
        table.Verbs.Concat(table.Arguments?.Words ?? []).Concat(table.Options.SelectMany(option => option.Names).Distinct()))));

    private static string Values(IReadOnlyList<CompletionTable> tables) => Rows(
        from table in tables
        from option in table.Options
        where option.Values is not null
        from name in option.Names
        select ($"{table.Path}:{name}", option.Values!.Words.AsEnumerable()));

    private static string Rows(IEnumerable<(string Key, IEnumerable<string> Words)> rows)
    {
        var text = new StringBuilder();
        foreach (var (key, words) in rows)
        {
            text.Append($"        '{key}' = @({string.Join(", ", words.Select(word => $"'{word}'"))})\n");
        }
        return text.ToString();
    }
}
