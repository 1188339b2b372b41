using System.Globalization;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Io;
using CompareOptions = PeftCore.Cli.Options.CompareOptions;

namespace PeftCore.Cli.Verbs;

/// <summary>Trains several methods on one model and data under equal conditions, and writes a table and a plot.</summary>
internal sealed class CompareVerb : Verb
{
    private readonly Settings<CompareOptions> _settings = new(SettingRules.Compare);

    public CompareVerb() : base("compare", "Train several methods under equal conditions; write a table and a plot.") =>
        _settings.AddTo(this);

    public override VerbResult Run(Invocation call)
    {
        var options = _settings.Read(call);
        string output = options.OutputDir
            ?? throw new BadInputException("expected --output-dir DIR, where the table, the plot and the adapters go.");
        var methods = MethodSpec.ParseAll(options.Methods);
        if (methods.Count == 0)
        {
            throw new BadInputException("--methods names no method; write some with commas between, such as lora,ia3");
        }
        double[] rates = [.. options.LearningRates.Split(',', StringSplitOptions.TrimEntries).Select(Rate)];
        // Misspelled methods are refused before the first one trains.
        int places = methods.Max(method => AdapterSetup.PlacesOf(method.Config(options.Model)));
        OutputDirectory.Check(output, OutputKind.Comparison, (options.Model, "the base model"));
        string[] names = [.. methods.Select((method, number) => $"{number + 1:00}-{method.Text.Split('[')[0]}")];
        OutputDirectory.RefuseOtherMethods(output, names);
        OutputDirectory.SayReplaced(output, OutputKind.Comparison, call);
        using var session = ModelSession.OpenUnloaded(Devices.Open(options.Device, options.Threads, null), options.Model,
            warn: call.Terminal.Warn, rows: options.ResizeTokenEmbeddings, task: TaskChoice.Of(options),
            quantization: options.Quantization.ToOptions());
        var comparison = new Comparison(session, options, places, call);
        call.Say(Text($"before training: held-out loss {comparison.HeldLoss:0.0000}, ")
            + (comparison.BaseLoss is { } own ? Text($"loss on the base's kind of text {own:0.0000}")
                : "there is no text of the base's own to measure forgetting on"));
        var results = new List<ComparedMethod>();
        string[][] table = [];
        // The table describes the adapters beside it, so all files are replaced together.
        AtomicDirectory.Update(output, built =>
        {
            foreach (var method in methods)
            {
                string name = names[results.Count];
                results.Add(comparison.Run(method, rates, Path.Combine(built, name), call.Stop));
                Comparison.DeleteIfThere(Path.Combine(output, name + ".new")); // Left by a killed comparison of an earlier version.
                call.Say(Text($"{method.Text}: held-out loss {results[^1].HeldLoss:0.0000} with learning rate {results[^1].LearningRate}"));
            }
            table = Table(results);
            AtomicFile.WriteAllText(Path.Combine(built, "comparison.md"), Markdown(table));
            AtomicFile.WriteAllText(Path.Combine(built, "comparison.svg"), MethodPlot.Svg(results, comparison.HeldLoss));
        });
        call.Say();
        call.Table(table, hasHeader: true, 1, 2, 3, 4, 5, 6, 7);
        call.Say(Path.Combine(output, "comparison.md"));
        return VerbResult.Done(Report(results, comparison).Add("output_dir", output));
    }

    private static string[][] Table(List<ComparedMethod> results) =>
    [
        ["method", "learning rate", "held-out loss", "forgetting", "trained", "adapter", "peak memory", "time"],
        .. results.Select(result => new[]
        {
            result.Method, Text($"{result.LearningRate}"), Text($"{result.HeldLoss:0.000}"),
            result.Forgetting is { } forgetting ? Text($"{forgetting:0.000}") : "–",
            Text($"{result.Trainable:N0}"),
            $"{new ByteSize(result.AdapterBytes)}", $"{new ByteSize(result.PeakBytes)}", Text($"{result.Seconds:0} s"),
        }),
    ];

    private static string Markdown(string[][] table) =>
        string.Concat(table.Take(1).Append([.. table[0].Select((_, column) => column == 0 ? "---" : "---:")]).Concat(table.Skip(1))
            .Select(row => $"| {string.Join(" | ", row)} |\n"));

    private static JsonReport Report(List<ComparedMethod> results, Comparison comparison) => new JsonReport()
        .Add("eval_loss_before", comparison.HeldLoss).Add("base_loss_before", comparison.BaseLoss)
        .Add("methods", results.Select(result => new JsonReport().Add("method", result.Method).Add("learning_rate", result.LearningRate)
            .Add("eval_loss", result.HeldLoss)
            .Add("forgetting", result.Forgetting).Add("trainable", result.Trainable).Add("adapter_bytes", result.AdapterBytes)
            .Add("peak_bytes", result.PeakBytes).Add("seconds", result.Seconds)));

    private static double Rate(string text) => NumberText.TryFloat(text, out double rate) && rate > 0 && !IsPadded(text)
        ? rate : throw new BadInputException(
        $"--learning-rates: \"{text}\" is no learning rate; write numbers above 0 with a decimal point, and commas between them");

    /// <summary>Whether a text has leading zeros. "0001" is the second part of "0,0001", whose decimal comma was split as a list
    /// separator.</summary>
    private static bool IsPadded(string text) => text.Length > 1 && text[0] == '0' && char.IsAsciiDigit(text[1]);

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
