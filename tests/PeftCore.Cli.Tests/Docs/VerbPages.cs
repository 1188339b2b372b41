using System.CommandLine;
using System.CommandLine.Help;
using System.Text;
using System.Text.RegularExpressions;
using PeftCore.Cli.Output;

namespace PeftCore.Cli.Tests.Docs;

/// <summary>Writes docs/verbs from the declarations of the command line: README.md with all verbs, a page for each verb with its flags, and
/// the site's table of contents.</summary>
internal static partial class VerbPages
{
    private const string Program = "peftcore";

    /// <summary>The pages by file name.</summary>
    public static IReadOnlyDictionary<string, string> Write()
    {
        var root = Tool.Root(100);
        var help = (GroupedHelp)root.Options.OfType<HelpOption>().Single().Action!;
        var commands = Below(root, Program).ToList();
        var pages = commands.ToDictionary(command => NameOf(command.Path), command => Page(command.Command, command.Path, root, help));
        pages["toc.yml"] = "# Generated from the declarations of the command line, as the pages are.\n"
            + string.Concat(commands.Select(command =>
                $"- name: {(command.Command == root ? "All commands" : command.Path[(Program.Length + 1)..])}\n  href: {NameOf(command.Path)}\n"));
        return pages;
    }

    private static IEnumerable<(Command Command, string Path)> Below(Command command, string path) =>
        command.Subcommands.SelectMany(verb => Below(verb, $"{path} {verb.Name}")).Prepend((command, path));

    /// <summary>"peftcore bench step" is bench-step.md.</summary>
    private static string NameOf(string path) =>
        path == Program ? "README.md" : path[(Program.Length + 1)..].Replace(' ', '-') + ".md";

    private static string Page(Command command, string path, Command root, GroupedHelp help)
    {
        var page = new StringBuilder($"# {(command == root ? "Commands" : path)}\n\n");
        page.Append($"{Text(command.Description ?? "")}\n\n```\n{GroupedHelp.Usage(command, path)}\n```\n");
        if (command == root)
        {
            page.Append("\nFlags have Hugging Face's names; underscores are read as dashes. [settings.md](../settings.md) says how numbers, sizes and ")
                .Append("lists are written, and how the same names go into a file.\n");
        }
        foreach (var (heading, rows) in help.Sections(command, root))
        {
            bool ofVerbs = command.Subcommands.Any(verb => rows.First().Left == verb.Name);
            page.Append($"\n## {heading}\n\n| {(ofVerbs ? "verb" : heading == "Arguments" ? "argument" : "flag")} | meaning |\n| --- | --- |\n");
            foreach (var (left, right) in rows)
            {
                string name = ofVerbs ? $"[{left}]({NameOf($"{path} {left}")})" : $"`{left.Replace("|", "\\|", StringComparison.Ordinal)}`";
                page.Append($"| {name} | {Text(right)} |\n");
            }
        }
        return page.ToString();
    }

    /// <summary>Plain text as Markdown.</summary>
    private static string Text(string text) => Special().Replace(text, @"\$0");

    [GeneratedRegex(@"[|<>*`\\@]")]
    private static partial Regex Special();
}
