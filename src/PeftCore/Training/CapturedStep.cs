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
    private readonly record struct Key(int Batch, int Length, bool HasRanges, int CompactedRows,
        bool Accumulates, float PenaltyWeight, ulong Seed, string Trainable);

    public ITrainable Trainable => _eager.Trainable;

    /// <summary>Number of passes that launched a graph.</summary>
    public int GraphLaunches { get; private set; }

    /// <summary>Captures the passes of a step if its device supports that: <see cref="Backend.GraphCapture"/>.</summary>
    public static ITrainingStep Wrap(ITrainingStep step) =>
        step.Trainable.Model.Backend.GraphCapture is { } device ? new CapturedStep(step, device) : step;

    public Tensor ForwardBackward(Batch batch, int targets)
    {
        if (!_device.CanCapture || Trainable.CaptureKey is not { } trainable)
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

    /// <summary>A pass of a task other than language modelling, or of a language model that reads more than tokens. What the model uploads
    /// is known only from its inputs, so these are made first, and made again in the static tensors.</summary>
    private Tensor FromUploads(Batch batch, int denominator, string trainable)
    {
        var model = Trainable.Model;
        int longest;
        IReadOnlyList<Uploaded>? uploads;
        CapturedGraph? graph;
        using (var scope = new TensorScope())
        {
            var (inputs, targets) = (batch.ToInputs(model), batch.ToTargets(model, denominator));
            (longest, uploads) = (inputs.Longest, StaticUploads.Of(inputs, targets));
            if (uploads is null)
            {
                return _eager.ForwardBackward(inputs, targets);
            }
            var key = new Key(batch.BatchSize, batch.Length, inputs.Ranges is not null, (int)(targets.Rows?.Count ?? 0), Accumulates,
                PenaltyWeight(targets.Weight), model.Mode.Seed, trainable + StaticUploads.ShapesOf(uploads));
            bool seen = _graphs.TryGetValue(key, out graph);
            if (!seen && _graphs.Count < _device.MaxGraphs)
            {
                _graphs.Add(key, new CapturedGraph());
            }
            if (graph is not { IsCaptured: true })
            {
                // The first pass runs eagerly; so does every one that needs the host.
                var result = graph is null ? _eager.ForwardBackward(inputs, targets)
                    : graph.Capture(_eager, _device, inputs, targets, readsTokensAlone: false);
                if (graph is { IsCaptured: false })
                {
                    _graphs[key] = null;
                }
                return result;
            }
        }
        if (graph.Launch(Trainable, longest, uploads) is not { } loss)
        {
            graph.Dispose();
            return _eager.ForwardBackward(batch, denominator);
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
        var loss = graph.Capture(_eager, _device, batch.ToInputs(model), batch.ToTargets(model, targets), readsTokensAlone: true);
        if (!graph.IsCaptured)
        {
            _graphs[key] = null;
        }
        return loss;
    }
}
