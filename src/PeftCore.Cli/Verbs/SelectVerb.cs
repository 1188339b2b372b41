using System.Globalization;
using System.Numerics.Tensors;
using System.Text.Json.Nodes;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Data;
using PeftCore.Io;
using PeftCore.Peft;
using PeftCore.Peft.Sparse;
using PeftCore.Training;

namespace PeftCore.Cli.Verbs;

/// <summary>Scores the entries of a model's weights and selects the mask of those to train.</summary>
internal sealed class SelectVerb : Verb
{
    private readonly Settings<SelectOptions> _settings = new(SettingRules.Select);

    public SelectVerb() : base("select", "Choose the entries of a model's weights that are worth training.") => _settings.AddTo(this);

    public override VerbResult Run(Invocation call)
    {
        var options = _settings.Read(call);
        string output = options.OutputDir ?? throw new BadInputException("expected --output-dir DIR, where scores, mask and report go.");
        OutputDirectory.Check(output, OutputKind.Selection, (options.Model, "the base model"));
        OutputDirectory.SayReplaced(output, OutputKind.Selection, call);
        using var session = ModelSession.Open(Devices.Open(options.Device, options.Threads, null), options.Model, warn: call.Terminal.Warn,
            rows: options.ResizeTokenEmbeddings);
        var scores = WeightSelection.Score(session.Model.Base, options.Criterion, Batches(session, options, call),
            ModuleSelector.Parse(options.TargetModules), options.Seed, call.Stop);
        foreach (string path in scores.Paths)
        {
            RunFailedException.Finite(TensorPrimitives.Sum(scores.Of(path)), $"a score in {path}");
        }
        var mask = scores.Choose(options.Density, options.Scope, options.Threshold);
        var report = scores.Report(mask);
        call.Stop.ThrowIfCancellationRequested();
        AtomicDirectory.Update(output, built =>
        {
            scores.Save(Path.Combine(built, "scores.safetensors"));
            mask.Save(Path.Combine(built, "mask.safetensors"));
            JsonFile.Write(Path.Combine(built, "selection.json"), report);
        });
        Tell(call, report);
        call.Say(output);
        return VerbResult.Done(new JsonReport().Add("chosen", mask.Count).Add("entries", scores.Count)
            .Add("criterion", options.Criterion.ToString().ToLowerInvariant())
            .Add("mask", Path.Combine(output, "mask.safetensors")).Add("output_dir", output));
    }

    private static IEnumerable<Batch>? Batches(ModelSession session, SelectOptions options, Invocation call)
    {
        if (options.Criterion is SelectionCriterion.Magnitude or SelectionCriterion.Random)
        {
            return null;
        }
        var setup = new DataSetup(session, options);
        var rows = setup.Open(options.Data
            ?? throw new BadInputException("expected --data FILE or DIR, the data to take gradients over."), call).RequireTrain();
        return setup.Loader(setup.Encode(rows, call), train: true).Epoch().Take(options.Batches);
    }

    /// <summary>Prints a row per module: its number of chosen entries and their share of the module's scores.</summary>
    private static void Tell(Invocation call, JsonObject report)
    {
        var rows = new List<string[]> { new[] { "module", "entries", "chosen", "share", "of the scores" } };
        foreach (var (path, module) in (JsonObject)report["modules"]!)
        {
            rows.Add(Row(path, module!, (double)module!["share_of_scores"]!));
        }
        rows.Add(Row("all", report, null));
        call.Table(rows, hasHeader: true, 1, 2, 3, 4);
    }

    private static string[] Row(string name, JsonNode numbers, double? scores) =>
    [
        name, ((long)numbers["entries"]!).ToString("N0", CultureInfo.InvariantCulture),
        ((long)numbers["chosen"]!).ToString("N0", CultureInfo.InvariantCulture),
        ((double)numbers["share"]!).ToString("P2", CultureInfo.InvariantCulture), scores is { } share
        ? share.ToString("P1", CultureInfo.InvariantCulture) : "",
    ];
}
