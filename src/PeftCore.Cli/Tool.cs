using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Globalization;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Verbs;

namespace PeftCore.Cli;

/// <summary>The command line: parses it, runs one verb, and returns the exit code.</summary>
internal static class Tool
{
    /// <summary>Exit code of success.</summary>
    public const int Done = 0;

    /// <summary>Exit code of a verb that ran and failed.</summary>
    public const int Failed = 1;

    /// <summary>Exit code of bad input.</summary>
    public const int BadInput = 2;

    public static string ToolVersion { get; } = typeof(Tool).Assembly.GetName().Version!.ToString(3);

    /// <summary>All verbs, under the headings of --help. A new verb is a file in Verbs/ and a line here.</summary>
    private static (string Purpose, Command[] Verbs)[] Verbs() =>
    [
        ("See it work",
        [
            new DemoVerb(),
            new ExplainVerb(),
            new EnvVerb(),
        ]),
        ("Train",
        [
            new PlanVerb(),
            new TrainVerb(),
            new CompareVerb(),
            new SelectVerb(),
        ]),
        ("Use a model",
        [
            new EvalVerb(),
            new GenerateVerb(),
            new ChatVerb(),
            new ServeVerb(),
        ]),
        ("Make and look into directories",
        [
            new InspectVerb(),
            new MergeVerb(),
            new ConvertVerb(),
            new ExportVerb(),
            new InitVerb(),
        ]),
        ("Check and time",
        [
            new VerifyVerb(),
            new Command("bench", "Time a matrix product, attention, training steps, generation or loading.")
            {
                new BenchGemmVerb(), new BenchMoeVerb(), new BenchAttentionVerb(), new BenchStepVerb(), new BenchGenerateVerb(),
                new BenchLoadVerb(),
            },
        ]),
        ("Set up a shell",
        [
            new CompletionVerb(),
        ]),
    ];

    public static int Run(string[] args, Terminal terminal, CancellationToken stop = default)
    {
        // Read before parsing, because parse errors are printed accordingly.
        terminal.Json = args.Contains("--json");
        terminal.Verbose = args.Contains("--verbose");
        // Programs read the output, so numbers have the same form in every culture.
        var culture = CultureInfo.CurrentCulture;
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        try
        {
            return Run(Root(terminal.Width), Spelled(args), terminal, stop);
        }
        catch (Exception e)
        {
            return Fail(terminal, Failure.Of(e, terminal.Verbose), e);
        }
        finally
        {
            CultureInfo.CurrentCulture = culture;
        }
    }

    private static Command Root(int width)
    {
        var root = new Command("peftcore", "Parameter-efficient fine-tuning of transformers, in C#.");
        var verbs = Verbs();
        foreach (var verb in verbs.SelectMany(group => group.Verbs))
        {
            root.Add(verb);
        }

        root.Add(GlobalOptions.Json);
        root.Add(GlobalOptions.Verbose);
        root.Add(GlobalOptions.Device);
        root.Add(new HelpOption { Action = new GroupedHelp(verbs, width) });
        root.Add(GlobalOptions.Version);
        return root;
    }

    private static int Run(Command root, string[] args, Terminal terminal, CancellationToken stop)
    {
        // No response files: a prompt may start with @.
        var parse = root.Parse(args, new ParserConfiguration { EnablePosixBundling = false, ResponseFileTokenReplacer = null });
        if (args.Length == 0)
        {
            throw new BadInputException(
                $"expected a verb: {string.Join(", ", root.Subcommands.Select(verb => verb.Name))} (\"peftcore --help\" explains them)");
        }

        if (parse.GetValue(GlobalOptions.Version))
        {
            terminal.Output.WriteLine(ToolVersion);
            return Done;
        }

        // Verbs have no action of their own; help does.
        if (parse.Action is not (null or ParseErrorAction))
        {
            return parse.Invoke(new InvocationConfiguration { Output = terminal.Output, Error = terminal.Error });
        }

        ParseProblems.Refuse(parse);

        var call = new Invocation(parse, terminal, stop);
        // The parser refuses input that ends in a command which is no verb, such as "bench" alone.
        var verb = (Verb)parse.CommandResult.Command;
        call.Note(!verb.Computes && call.IsGiven(GlobalOptions.Device) ? $"--device has no effect on {verb.Name}, which computes nothing."
            : null);
        var result = verb.Run(call);
        terminal.EndStatus();
        if (terminal.Json)
        {
            terminal.Output.WriteLine(result.Report.ToJson());
        }

        return result.ExitCode;
    }

    /// <summary>Replaces underscores in option names by dashes, because Hugging Face's users type both.</summary>
    private static string[] Spelled(string[] args)
    {
        int end = Array.IndexOf(args, "--");
        return [.. args.Select((arg, i) => (end < 0 || i < end) && arg.StartsWith("--", StringComparison.Ordinal) ? DashName(arg) : arg)];
    }

    private static string DashName(string arg)
    {
        int value = arg.IndexOf('=');
        return value < 0 ? arg.Replace('_', '-') : arg[..value].Replace('_', '-') + arg[value..];
    }

    private static int Fail(Terminal terminal, Failure failure, Exception e)
    {
        try
        {
            terminal.EndStatus();
            terminal.Error.WriteLine($"peftcore: {failure.Sentence}");
            if (terminal.Verbose)
            {
                terminal.Error.WriteLine(e);
            }

            if (terminal.Json)
            {
                terminal.Output.WriteLine(new JsonReport().Add("error", failure.Sentence).ToJson());
            }
        }
        catch (BadInputException)
        {
            // Both streams have failed, so only the exit code can report it.
        }
        return failure.ExitCode;
    }
}
