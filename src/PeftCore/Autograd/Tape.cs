using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Autograd;

/// <summary>Records the ops that a gradient must come back through, and nothing else: an op is recorded only while a tape runs on this
/// thread and only if one of its inputs needs a gradient. Below the lowest parameter that trains the tape stays empty.</summary>
public sealed class Tape : IDisposable
{
    [ThreadStatic]
    private static Tape? _running;

    [ThreadStatic]
    private static IBackend? _backend;

    private readonly Tape? _outer;
    private readonly List<GradientNode> _nodes = [];

    /// <summary>Starts recording on this thread.</summary>
    public Tape() : this(TapeMode.Record) { }

    internal Tape(TapeMode mode)
    {
        Mode = mode;
        _outer = _running;
        _running = this;
    }

    /// <summary>The recorded ops, in the order they ran.</summary>
    public IReadOnlyList<GradientNode> Nodes => _nodes;

    /// <summary>Bytes kept for backward; memory that several ops share counts once.</summary>
    public long SavedBytes => _nodes.SelectMany(node => node.SavedTensors).Select(saved => saved.Tensor.Storage).Distinct()
        .Sum(storage => storage.ReservedBytes);

    internal TapeMode Mode { get; }

    /// <summary>Whether ops on this thread are recorded or probed.</summary>
    internal static bool IsRecording => _running is { Mode: not TapeMode.Off };

    internal static IBackend RunningBackend => _backend ?? throw new InvalidOperationException("no backward pass is running");

    /// <summary>Runs code without recording, as for evaluation.</summary>
    public static T NoGrad<T>(Func<T> body)
    {
        using var off = Pause();
        return body();
    }

    /// <summary>Nothing is recorded until the result is disposed: <see cref="NoGrad"/> for code with spans.</summary>
    internal static Tape Pause() => new(TapeMode.Off);

    /// <summary>Whether a node must be recorded for an op with these inputs.</summary>
    public static bool Needs(params ReadOnlySpan<Tensor?> inputs)
    {
        if (!IsRecording)
        {
            return false;
        }
        foreach (var input in inputs)
        {
            if (input is { RequiresGrad: true })
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>Records a node made by an op. The order of inputs is the one the node's backward uses.</summary>
    /// <param name="node">Makes the node, which saves what its backward uses; called only if it is needed.</param>
    /// <param name="inputs">What the op computed from; null for an optional input that was not given.</param>
    /// <param name="outputs">What it computed.</param>
    public static void Record(Func<GradientNode> node, ReadOnlySpan<Tensor?> inputs, ReadOnlySpan<Tensor> outputs)
    {
        if (Needs(inputs))
        {
            RecordAlways(node, inputs, outputs);
        }
    }

    /// <summary>Records a node whose parameters are not among its inputs.</summary>
    internal static void RecordAlways(Func<GradientNode> node, ReadOnlySpan<Tensor?> inputs, ReadOnlySpan<Tensor> outputs)
    {
        if (_running is not { Mode: not TapeMode.Off })
        {
            return;
        }
        if (_running.Mode == TapeMode.Probe)
        {
            foreach (var output in outputs)
            {
                output.GradientEdge = new RequiresGradProbe(output.Shape, output.DType);
            }
            return;
        }
        var recorded = node();
        recorded.Attach(inputs, outputs);
        _running._nodes.Add(recorded);
    }

    /// <summary>Computes the gradient of a scalar with respect to every leaf it depends on, adding to what the leaves hold, and releases
    /// what was saved as it goes.</summary>
    /// <param name="loss">An F32 scalar computed while this tape ran.</param>
    /// <param name="scale">Gradient to start from; 1/n averages over n accumulated batches.</param>
    public void Backward(Tensor loss, float scale = 1)
    {
        if (loss.Count != 1)
        {
            throw new ShapeException("backward", $"needs a scalar, got shape {loss.Shape}; pass the gradient to start from instead");
        }
        using var scope = new TensorScope();
        var start = loss.NewLike(loss.Shape, DType.F32);
        loss.Backend.Fill(start, scale);
        Backward(loss, start);
    }

    /// <summary>Computes vector-Jacobian products: like <see cref="Backward(Tensor, float)"/> from a given gradient of any
    /// output.</summary>
    public void Backward(Tensor output, Tensor gradient)
    {
        if (GradientEdge.Of(output) is not GradFn start || !_nodes.Contains(start.Node))
        {
            throw new InvalidOperationException(
                "backward: this tensor was not computed on this tape from anything that needs a gradient; " +
                "check that a parameter trains and that the tape ran during the forward pass");
        }
        if (gradient.Count != output.Count || gradient.DType != output.DType)
        {
            throw new ShapeException("backward",
                $"the gradient to start from must be {output.DType} of the output's shape {output.Shape}, got {gradient}");
        }
        var (runningBefore, backendBefore) = (_running, _backend);
        _running = null;
        _backend = output.Backend;
        try
        {
            start.Gradient = gradient.Unscoped(start.Shape);
            for (int i = _nodes.Count - 1; i >= 0; i--)
            {
                Run(_nodes[i]);
                _nodes.RemoveAt(i);
            }
        }
        finally
        {
            (_running, _backend) = (runningBefore, backendBefore);
        }
    }

    /// <summary>Stops recording and lets go of what is still saved.</summary>
    public void Dispose()
    {
        if (_running == this)
        {
            _running = _outer;
        }
        foreach (var node in _nodes)
        {
            node.Release();
        }
        _nodes.Clear();
    }

    private static void Run(GradientNode node)
    {
        bool arrived = false;
        foreach (var output in node.Outputs)
        {
            arrived |= output.Gradient is not null;
        }
        if (arrived)
        {
            using var scope = new TensorScope(node.Path);
            node.Backward(new BackwardContext(node));
        }
        node.Release();
    }
}

internal enum TapeMode
{
    Record,

    /// <summary>Records nothing, but notes whether a gradient would be needed.</summary>
    Probe,

    Off,
}
