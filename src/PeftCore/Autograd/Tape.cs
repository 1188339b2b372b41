using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Autograd;

/// <summary>Records the ops that gradients are propagated through, and no others: an op is recorded if a tape runs on this thread and one
/// of its inputs requires a gradient. Below the lowest trained parameter nothing is recorded.</summary>
public sealed class Tape : IDisposable
{
    [ThreadStatic]
    private static Tape? _running;

    [ThreadStatic]
    private static Backend? _backend;

    private readonly Tape? _outer;
    private readonly int _thread = Environment.CurrentManagedThreadId;
    private readonly List<GradientNode> _nodes = [];
    private bool _isEnded, _runsBackward;

    // Set when another thread disposes this tape; its own thread then stops recording on it.
    private volatile bool _isAbandoned;

    /// <summary>Starts recording on this thread.</summary>
    public Tape() : this(TapeMode.Record) { }

    internal Tape(TapeMode mode)
    {
        Mode = mode;
        _outer = Running;
        _running = this;
    }

    /// <summary>The recorded ops, in the order they ran.</summary>
    internal IReadOnlyList<GradientNode> Nodes => _nodes;

    /// <summary>Bytes saved for backward; memory that several ops share counts once.</summary>
    public long SavedBytes => _nodes.SelectMany(node => node.SavedTensors).Select(saved => saved.Tensor.Storage).Distinct()
        .Sum(storage => storage.ReservedBytes);

    internal TapeMode Mode { get; }

    private static Tape? Running
    {
        get
        {
            while (_running is { _isAbandoned: true } abandoned)
            {
                abandoned.End();
            }
            return _running;
        }
    }

    /// <summary>Whether ops on this thread are recorded or probed.</summary>
    internal static bool IsRecording => Running is { Mode: not TapeMode.Off };

    internal static Backend RunningBackend => _backend ?? throw new InvalidOperationException("no backward pass is running");

    /// <summary>Runs code without recording, as evaluation does.</summary>
    public static T NoGrad<T>(Func<T> body)
    {
        ArgumentNullException.ThrowIfNull(body);
        using var off = Pause();
        return body();
    }

    /// <summary>Stops recording until the result is disposed: <see cref="NoGrad"/> for code with spans, which a lambda cannot
    /// capture.</summary>
    internal static Tape Pause() => new(TapeMode.Off);

    /// <summary>Whether an op with these inputs is recorded.</summary>
    internal static bool Needs(params ReadOnlySpan<Tensor?> inputs)
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

    /// <summary>Records an op, if one of its inputs requires a gradient.</summary>
    /// <param name="node">Creates the node, which saves what its backward uses; called only if the op is recorded.</param>
    /// <param name="inputs">The inputs, in the order of the node's backward; null for an optional input that is absent.</param>
    /// <param name="outputs">The outputs.</param>
    internal static void Record(Func<GradientNode> node, ReadOnlySpan<Tensor?> inputs, ReadOnlySpan<Tensor> outputs)
    {
        if (Needs(inputs))
        {
            RecordAlways(node, inputs, outputs);
        }
        else if (TapeObserver.Current is { } observer && IsRecording)
        {
            observer.Ran(NameOf(node), inputs, outputs, null);
        }
    }

    /// <summary>The name of an op that is not recorded, for an observer.</summary>
    private static string NameOf(Func<GradientNode> node)
    {
        var unrecorded = node();
        unrecorded.Release();
        return unrecorded.Op;
    }

    /// <summary>Records an op whose inputs need not require a gradient, because its node reads parameters that do.</summary>
    internal static void RecordAlways(Func<GradientNode> node, ReadOnlySpan<Tensor?> inputs, ReadOnlySpan<Tensor> outputs)
    {
        if (Running is not { Mode: not TapeMode.Off } running)
        {
            return;
        }
        if (running.Mode == TapeMode.Probe)
        {
            foreach (var output in outputs)
            {
                output.GradFn = new RequiresGradProbe(output.Shape, output.DType);
            }
            TapeObserver.Current?.Ran(NameOf(node), inputs, outputs, null);
            return;
        }
        var recorded = node();
        recorded.Attach(inputs, outputs);
        running._nodes.Add(recorded);
        TapeObserver.Current?.Ran(recorded.Op, inputs, outputs, recorded);
    }

    /// <summary>Computes the gradient of a scalar with respect to every leaf it depends on and adds it to the leaf's. Each node releases
    /// its saved tensors once its backward has run.</summary>
    /// <param name="loss">An F32 scalar computed while this tape ran.</param>
    /// <param name="scale">The gradient of the scalar itself; 1/n averages over n accumulated batches.</param>
    /// <exception cref="ShapeException">The tensor is not a scalar.</exception>
    /// <exception cref="InvalidOperationException">The tensor was not computed on this tape, or the tape belongs to another
    /// thread.</exception>
    /// <exception cref="ObjectDisposedException">The tape has ended.</exception>
    public void Backward(Tensor loss, float scale = 1)
    {
        ArgumentNullException.ThrowIfNull(loss);
        if (loss.Count != 1)
        {
            throw new ShapeException("backward", $"needs a scalar, got shape {loss.Shape}; pass the gradient to start from instead");
        }
        using var scope = new TensorScope();
        var start = loss.NewLike(loss.Shape, DType.F32);
        loss.Backend.Fill(start, scale);
        Backward(loss, start);
    }

    /// <summary>Computes vector-Jacobian products: like <see cref="Backward(Tensor, float)"/>, from a given gradient of any
    /// output.</summary>
    public void Backward(Tensor output, Tensor gradient)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(gradient);
        CheckThread("runs backward");
        ObjectDisposedException.ThrowIf(_isEnded, this);
        if (_runsBackward)
        {
            throw new InvalidOperationException("backward: this tape runs a backward pass already; let it end, or use a tape of its own");
        }
        if (output.GradFn is not GradFn start || !_nodes.Contains(start.Node))
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
        if (!ReferenceEquals(gradient.Device, output.Device))
        {
            throw new ShapeException("backward",
                $"the gradient to start from must be on the output's backend, got {gradient} for {output}");
        }
        var (runningBefore, backendBefore) = (_running, _backend);
        _runsBackward = true;
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
            (_running, _backend, _runsBackward) = (runningBefore, backendBefore, false);
        }
    }

    /// <summary>Stops recording and releases what is still saved. Calling it again has no effect.</summary>
    /// <exception cref="InvalidOperationException">A tape started after this one, or on another thread, is still running, or this one runs
    /// a backward pass.</exception>
    public void Dispose()
    {
        if (_isEnded)
        {
            return;
        }
        if (_thread != Environment.CurrentManagedThreadId)
        {
            _isAbandoned = true;
        }
        CheckThread("is disposed");
        if (Running != this)
        {
            throw new InvalidOperationException(_runsBackward ? "a tape is disposed while it runs a backward pass; let it end first"
                : "a tape is disposed while one that started after it is running; dispose tapes in the reverse order of their beginning, "
                + "as using declarations do");
        }
        End();
    }

    private void End()
    {
        _isEnded = true;
        _running = _outer;
        foreach (var node in _nodes)
        {
            node.Release();
        }
        _nodes.Clear();
    }

    private void CheckThread(string what)
    {
        if (_thread != Environment.CurrentManagedThreadId)
        {
            throw new InvalidOperationException(
                $"a tape of thread {_thread} {what} on thread {Environment.CurrentManagedThreadId}; a tape records and differentiates on "
                + "the thread that started it, so end it before an await, after which a method may continue on another thread");
        }
    }

    private static void Run(GradientNode node)
    {
        bool hasGradOutput = false;
        foreach (var output in node.Outputs)
        {
            hasGradOutput |= output.Gradient is not null;
        }
        if (hasGradOutput)
        {
            TapeObserver.Current?.BackwardBegins(node);
            using var scope = new TensorScope(node.Path);
            node.Backward(new BackwardContext(node));
        }
        node.Release();
        TapeObserver.Current?.BackwardEnds(node, hasGradOutput);
    }
}

/// <summary>What a tape does with the ops that run on its thread.</summary>
internal enum TapeMode
{
    Record,

    /// <summary>Records nothing, but marks the outputs of ops that would be recorded.</summary>
    Probe,

    Off,
}
