using System.CommandLine;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Models;

namespace PeftCore.Cli.Verbs;

/// <summary>Merges an adapter into its base and saves a model directory that any tool loads.</summary>
internal sealed class MergeVerb : Verb
{
    private readonly Option<string> _model = new("--model")
    {
        Description = "directory of the base model", HelpName = "DIR",
        Required = true
    };
    private readonly Option<string[]> _adapter = new("--adapter")
    {
        Description = "directory of the adapter; several add up",
        HelpName = "DIR", Required = true
    };
    private readonly Option<string?> _task = TaskOption.New();
    private readonly QuantizationFlags _quantization = new();
    private readonly Option<int?> _rows = ResizeOption.New();
    private readonly Option<string> _output = new("--output-dir")
    {
        Description = "where the merged model goes", HelpName = "DIR",
        Required = true
    };

    public MergeVerb() : base("merge", "Fold an adapter into its base and save the model.")
    {
        Add(_model);
        Add(_adapter);
        Add(_output);
        Add(_task);
        Add(_rows);
        _quantization.AddTo(this);
    }

    public override VerbResult Run(Invocation call)
    {
        string source = call.Value(_model)!, output = call.Value(_output)!;
        (string? Path, string Word)[] inputs = [(source, "the base model"),
            .. call.Value(_adapter)!.Select(adapter => ((string?)adapter, "the adapter"))];
        OutputDirectory.Check(output, OutputKind.Model, inputs);
        OutputDirectory.CheckApart(output, inputs);
        OutputDirectory.RefuseOtherWeights(output);
        OutputDirectory.SayReplaced(output, OutputKind.Model, call);
        using var session = ModelSession.Open(Devices.Open(call.Device), source, warn: call.Terminal.Warn, rows: call.Value(_rows),
            task: TaskChoice.Of(call.Value(_task), call.Value(_adapter)!), quantization: _quantization.Read(call))
            .WithAdapters(call.Value(_adapter)!, call);
        var warnings = new List<string>();
        var merged = session.Model.MergeAndUnload(warnings: warnings);
        warnings.ForEach(call.Terminal.Warn);
        call.Stop.ThrowIfCancellationRequested();
        long bytes = ModelWriter.Save(merged, output, source);
        call.Say($"{output}: {merged.ModelType}, {session.Model.ParameterCount:N0} parameters, {new ByteSize(bytes)}");
        return VerbResult.Done(new JsonReport().Add("output_dir", output).Add("parameters", session.Model.ParameterCount)
            .Add("model_bytes", bytes));
    }
}
