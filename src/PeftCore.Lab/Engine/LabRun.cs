using System.Diagnostics;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Nn;
using PeftCore.Peft;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Lab.Engine;

/// <summary>One model with one adapter that is trained step by step. All members are used by the thread of <see cref="LabEngine"/>
/// alone.</summary>
internal sealed class LabRun : IDisposable
{
    private const int NewTokens = 48;

    private readonly LabData _data;
    private readonly CpuBackend _backend;
    private readonly AdapterStep _step;
    private readonly LayerNorms _norms;
    private readonly IEnumerator<Batch> _batches;
    private IReadOnlyList<double> _measured = [];

    /// <summary>Loads the model and attaches the adapter.</summary>
    /// <exception cref="BadInputException">A setting is invalid for the method or the model.</exception>
    public LabRun(LabOptions options, LabData data, LabMethod method, LabSettings settings)
    {
        (_data, Settings, Method) = (data, settings, method);
        Prompt = settings.Prompt ?? data.Prompts[0];
        var planned = method.Config(settings, options.Model);
        var train = data.Train(settings.BatchSize, settings.Seed);
        Plan = MemoryPlan.Of(backend =>
        {
            var model = new PeftModel(ModelLoader.Load(options.Model, backend));
            model.AddPlannedAdapter(planned, settings.Seed);
            return model;
        }, [Largest(train)], Training(settings));
        // A captured pass allocates nothing, and would show no memory of the step.
        _backend = new CpuBackend(options.Threads, captureGraphs: false);
        try
        {
            Model = new PeftModel(ModelLoader.Load(options.Model, _backend));
            var config = WeightSelection.Prepare(Model.Base, planned, train.Epoch().Take(LabData.SelectionBatches));
            Model.AddAdapter(config, seed: settings.Seed);
            Model.Base.Mode.Seed = settings.Seed;
            _step = new AdapterStep(Model, Training(settings));
        }
        catch
        {
            _backend.Dispose();
            throw;
        }
        _norms = new LayerNorms(Model);
        _step.GradientsReady = () => _measured = _norms.Measure();
        _batches = Forever(train).GetEnumerator();
        Modules = [.. ModulesOf(Model.Base)];
    }

    public LabSettings Settings { get; }

    public LabMethod Method { get; }

    public PeftModel Model { get; }

    /// <summary>The plan of a step over the longest batch of the first epochs.</summary>
    public MemoryPlan Plan { get; }

    /// <summary>The text that is continued, and whose attention is shown.</summary>
    public string Prompt { get; }

    public IReadOnlyList<string> LayerNames => _norms.Names;

    /// <summary>Paths of the linear layers of the base.</summary>
    public IReadOnlyList<string> Modules { get; }

    /// <summary>Steps that were run.</summary>
    public int Steps { get; private set; }

    /// <summary>What the last step saved for its backward pass, if it was traced; null otherwise.</summary>
    public SavedTensors? Saved { get; private set; }

    /// <summary>Bytes of live tensors by kind.</summary>
    public IEnumerable<(MemoryKind Kind, long Bytes)> Memory =>
        Enum.GetValues<MemoryKind>().Select(kind => (kind, _backend.Memory.Current(kind)));

    /// <summary>Runs one step.</summary>
    /// <param name="trace">Whether to keep copies of the tensors that it saves for its backward pass.</param>
    /// <exception cref="TrainingDivergedException">The loss or a gradient is not finite; no parameter was changed.</exception>
    public StepRecord Step(bool trace)
    {
        _batches.MoveNext();
        var batch = _batches.Current;
        _backend.Memory.ResetPeak();
        long began = Stopwatch.GetTimestamp();
        StepResult result;
        if (trace)
        {
            Saved = new SavedTensors(Steps + 1);
            result = _step.Trace([batch], Settings.LearningRate, Steps, (ulong)Steps, Saved.Add).Result;
        }
        else
        {
            Saved = null;
            result = _step.Run([batch], Settings.LearningRate, Steps, (ulong)Steps);
        }
        double seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        Steps++;
        return new StepRecord(Steps, result.Loss, result.Tokens / seconds, result.GradientNorm, _measured, _backend.Memory.PeakBytes);
    }

    /// <summary>Measures on held-out rows and on passages of books, and continues the prompt.</summary>
    /// <exception cref="BadInputException">A loss is not finite.</exception>
    public LabEvaluation Evaluate()
    {
        double held = Evaluation.Run(Model.Base, _data.Held().Epoch()).Loss;
        double ofBase = Evaluation.Run(Model.Base, _data.Base().Epoch()).Loss;
        if (!double.IsFinite(held + ofBase))
        {
            throw new BadInputException($"after step {Steps} the loss on text that is not trained on is no number any more; choose a " +
                "lower learning rate");
        }
        var text = new Generator(Model.Base, _backend).Generate(Prompt, _data.Tokenizer, new GenerationOptions
        {
            MaxNewTokens = NewTokens, StopTokens = [.. _data.Tokenizer.StopIds],
        });
        return new LabEvaluation(Steps, held, ofBase, text.Text);
    }

    /// <summary>ΔW of a linear layer; null if the adapter does not change its weight.</summary>
    /// <exception cref="BadInputException">There is no such layer, or the method's update is no change of its weight.</exception>
    public DeltaView? Delta(string path)
    {
        var layer = Model.Base.Find(path) as MatrixLayer
            ?? throw new BadInputException($"module is no linear layer of the model, expected one such as {Modules[0]}");
        return DeltaView.Of(Model, path, layer.Outputs, layer.Inputs);
    }

    /// <summary>Attention over the prompt.</summary>
    /// <exception cref="BadInputException">There is no such block or head.</exception>
    public AttentionView Attention(int layer, int head) => AttentionView.Of(Model.Base, _data.Tokenizer, Prompt, layer, head);

    public void Dispose()
    {
        _batches.Dispose();
        _step.Dispose();
        Model.Base.Dispose();
        _backend.Dispose();
    }

    /// <summary>The options of training that the settings set; all others are the library's defaults.</summary>
    private static TrainerOptions Training(LabSettings settings) =>
        new() { LearningRate = settings.LearningRate, Seed = settings.Seed };

    /// <summary>The batch whose step takes the most memory: every epoch has the longest sample.</summary>
    private static Batch Largest(DataLoader train) => Enumerable.Range(0, 4).SelectMany(train.Epoch)
        .MaxBy(batch => ((long)batch.BatchSize * batch.Length, batch.TrainableTokens))!;

    private static IEnumerable<Batch> Forever(DataLoader train)
    {
        for (int epoch = 0; ; epoch++)
        {
            foreach (var batch in train.Epoch(epoch))
            {
                yield return batch;
            }
        }
    }

    /// <summary>Paths of the linear layers of a model.</summary>
    public static IEnumerable<string> ModulesOf(TransformerModel model) =>
        from named in model.NamedParameters()
        where named.Path.EndsWith(".weight", StringComparison.Ordinal)
        let path = named.Path[..^".weight".Length]
        where model.Find(path) is Linear
        select path;
}
