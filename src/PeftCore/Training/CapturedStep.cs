using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>A step whose forward and backward passes are captured as graphs (CUDA graphs on a card, lists of kernel calls on the
/// processor), so that the host only uploads the batch and launches the graph. A graph belongs to one shape of batches: the first batch of
/// a shape runs eagerly, which loads and compiles what the pass needs; the second is captured; later ones launch the graph. Between
/// launches a graph holds no memory: its static tensors are allocated again at their addresses, and if an address is in use, the pass runs
/// eagerly and the next one is captured anew. The results are those of the wrapped step, bit for bit.</summary>
internal sealed class CapturedStep : ITrainingStep
{
    private readonly ITrainingStep _eager;
    private readonly IGraphCapture _device;
    private readonly Dictionary<Key, CapturedGraph?> _graphs = [];

    private CapturedStep(ITrainingStep eager, IGraphCapture device) => (_eager, _device) = (eager, device);

    /// <summary>The key of a captured graph: everything that it depends on besides the contents of its static tensors.</summary>
    /// <param name="Batch">Number of rows.</param>
    /// <param name="Length">Tokens of a row.</param>
    /// <param name="HasRanges">Whether attention reads ranges.</param>
    /// <param name="CompactedRows">Positions the loss is computed for; 0 for all.</param>
    /// <param name="Accumulates">Whether the parameters have gradients that the pass adds to.</param>
    /// <param name="PenaltyWeight">The factor of the penalty that is added to the loss; 1 without one.</param>
    /// <param name="Seed">Seed of dropout.</param>
    /// <param name="Trainable">The trainable's own key.</param>
    /// <param name="Uploads">A hash of the shapes of what is uploaded; 0 if tokens alone are.</param>
    private readonly record struct Key(int Batch, int Length, bool HasRanges, int CompactedRows,
        bool Accumulates, float PenaltyWeight, ulong Seed, string Trainable, int Uploads = 0);

    public ITrainable Trainable => _eager.Trainable;

    /// <summary>Number of passes that launched a graph.</summary>
    public int GraphLaunches { get; private set; }

    /// <summary>Captures the passes of a step if its device supports that: <see cref="Backend.GraphCapture"/>.</summary>
    public static ITrainingStep Wrap(ITrainingStep step) =>
        step.Trainable.Model.Backend.GraphCapture is { } device ? new CapturedStep(step, device) : step;

    public Tensor ForwardBackward(Batch batch, int targets)
    {
        using var device = Trainable.Model.Backend.EnterPass(); // No other thread's launches become part of a capture.
        if (!_device.CanCapture || Trainable.Model.KeepsCheckpointsOnHost || Trainable.CaptureKey is not { } trainable)
        {
            return _eager.ForwardBackward(batch, targets);
        }
        if (Trainable.Model.Task != ModelTask.CausalLm
            || !Trainable.Model.ReadsTokensAlone(batch.LongestPosition + 1, batch.CausalRanges is not null))
        {
            return FromUploads(batch, targets, trainable);
        }
        var key = new Key(batch.BatchSize, batch.Length, batch.CausalRanges is not null,
            Targets.CompactedRows(batch.TrainableTokens, batch.Targets.Length), Accumulates,
            PenaltyWeight(batch.TrainableTokens / (float)targets), Trainable.Model.Mode.Seed, trainable);
        if (!_graphs.TryGetValue(key, out var graph))
        {
            if (_graphs.Count < _device.MaxGraphs)
            {
                _graphs.Add(key, new CapturedGraph());
            }
            return _eager.ForwardBackward(batch, targets);
        }
        if (graph is null)
        {
            return _eager.ForwardBackward(batch, targets); // The pass needs the host: it cannot be captured.
        }
        if (!graph.IsCaptured)
        {
            return Capture(key, graph, batch, targets);
        }
        if (graph.Launch(Trainable, batch, targets) is not { } loss)
        {
            graph.Dispose();
            return _eager.ForwardBackward(batch, targets);
        }
        GraphLaunches++;
        return loss;
    }

    /// <summary>A pass of a task other than language modelling, or of a language model that reads more than tokens: see
    /// <see cref="StaticUploads"/>.</summary>
    private Tensor FromUploads(Batch batch, int denominator, string trainable)
    {
        using var scope = new TensorScope();
        var model = Trainable.Model;
        var (inputs, targets) = (batch.ToInputs(model), batch.ToTargets(model, denominator));
        if (StaticUploads.Of(inputs, targets) is not { } uploads)
        {
            return _eager.ForwardBackward(inputs, targets);
        }
        var key = new Key(batch.BatchSize, batch.Length, inputs.Ranges is not null, (int)(targets.Rows?.Count ?? 0), Accumulates,
            PenaltyWeight(targets.Weight), model.Mode.Seed, trainable, StaticUploads.HashOfShapes(uploads));
        if (!_graphs.TryGetValue(key, out var graph))
        {
            if (_graphs.Count < _device.MaxGraphs)
            {
                _graphs.Add(key, new CapturedGraph());
            }
            return _eager.ForwardBackward(inputs, targets);
        }
        if (graph is null)
        {
            return _eager.ForwardBackward(inputs, targets); // The pass needs the host: it cannot be captured.
        }
        if (!graph.IsCaptured)
        {
            return Capture(key, graph, inputs, targets, readsTokensAlone: false);
        }
        if (graph.Launch(Trainable, inputs.Longest, uploads) is not { } loss)
        {
            graph.Dispose();
            return _eager.ForwardBackward(inputs, targets);
        }
        GraphLaunches++;
        return loss;
    }

    public Tensor ForwardBackward(ModelInputs inputs, Targets targets) => _eager.ForwardBackward(inputs, targets);

    public double Update(double loss, double learningRate, int number) => _eager.Update(loss, learningRate, number);

    /// <summary>Frees the graphs.</summary>
    public void Dispose()
    {
        foreach (var graph in _graphs.Values)
        {
            graph?.Dispose();
        }
        _graphs.Clear();
        _eager.Dispose();
    }

    /// <summary>The weight of the model's penalty, which the host passes to the captured kernels; 1 without a penalty.</summary>
    private float PenaltyWeight(float weight) => Trainable.Model.Penalty is null ? 1 : weight;

    /// <summary>Whether a parameter has a gradient that the pass adds to.</summary>
    private bool Accumulates
    {
        get
        {
            for (int i = 0; i < Trainable.Parameters.Count; i++)
            {
                if (Trainable.Parameters[i].Parameter.Gradient is not null)
                {
                    return true;
                }
            }
            return false;
        }
    }

    private Tensor Capture(Key key, CapturedGraph graph, Batch batch, int targets)
    {
        using var scope = new TensorScope();
        var model = Trainable.Model;
        return Capture(key, graph, batch.ToInputs(model), batch.ToTargets(model, targets), readsTokensAlone: true);
    }

    private Tensor Capture(Key key, CapturedGraph graph, ModelInputs inputs, Targets targets, bool readsTokensAlone)
    {
        var loss = graph.Capture(_eager, _device, inputs, targets, readsTokensAlone);
        if (!graph.IsCaptured)
        {
            _graphs[key] = null;
        }
        return loss;
    }
}
