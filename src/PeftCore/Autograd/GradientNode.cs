using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Autograd;

/// <summary>One application of an op on the tape: which inputs require a gradient, the saved tensors, and the backward formula. An op
/// derives its own node, whose constructor saves only the tensors that the required gradients use. The tape releases the saved tensors as
/// soon as <see cref="Backward"/> has run.</summary>
internal abstract class GradientNode(string op)
{
    private readonly List<Saved> _saved = [];
    private List<Tensor>? _weights;
    private List<SavedValue>? _savedValues;
    private List<IGradFn>? _written;
    private Tensor? _recomputed;
    private IGradFn?[] _inputs = [];
    private Shape[] _inputShapes = [];
    private GradFn[] _outputs = [];

    /// <summary>Name of the op.</summary>
    public string Op { get; } = op;

    /// <summary>The tensors saved for backward.</summary>
    public IReadOnlyList<Saved> SavedTensors => _saved;

    /// <summary>The values that backward reads and that may be recomputed instead of saved.</summary>
    internal IReadOnlyList<SavedValue> SavedValues => _savedValues ?? (IReadOnlyList<SavedValue>)[];

    internal ReadOnlySpan<IGradFn?> Inputs => _inputs;

    internal ReadOnlySpan<Shape> InputShapes => _inputShapes;

    internal ReadOnlySpan<GradFn> Outputs => _outputs;

    /// <summary>Module path of the op, for reports.</summary>
    internal string Path { get; private set; } = "";

    /// <summary>Number of nodes whose backward reads this node's output recomputed.</summary>
    internal int Consumers { get; set; }

    /// <summary>Whether this node can recompute its output, at little cost, from its saved tensors.</summary>
    protected internal virtual bool CanRecompute => false;

    /// <summary>Recomputes the output, if <see cref="CanRecompute"/>.</summary>
    /// <param name="y">The buffer to write; its contents are undefined.</param>
    protected virtual void Recompute(Tensor y) => throw new NotSupportedException($"{Op} does not recompute its output");

    /// <summary>Computes the gradients of the inputs that require one from those of the outputs.</summary>
    protected internal abstract void Backward(BackwardContext context);

    /// <summary>Saves a tensor for backward; it outlives its scope until backward has run.</summary>
    /// <param name="name">Its symbol in the op's equation.</param>
    /// <param name="tensor">The tensor.</param>
    /// <param name="equation">The equations of the op's gradient rule that read it, as docs/gradients.md has them: the reason why it is
    /// saved. <see cref="Uses"/> joins several.</param>
    protected Tensor Save(string name, Tensor tensor, string equation)
    {
        var saved = tensor.Unscoped();
        saved.Storage.MarkSaved(1);
        _saved.Add(new Saved(name, saved, equation));
        return saved;
    }

    /// <summary>Saves a tensor for backward, or, if the node that computed it can, recomputes it in backward.</summary>
    protected SavedValue SaveOrRecompute(string name, Tensor tensor, string equation)
    {
        // Of the classes of IGradFn only GradFn has a node that can recompute its output.
        var value = tensor.GradFn is GradFn { Node: { CanRecompute: true } source } edge && source._outputs.Length == 1
            && edge.Shape == tensor.Shape
            ? new SavedValue(name, source, equation)
            : new SavedValue(name, Save(name, tensor, equation));
        (_savedValues ??= []).Add(value);
        return value;
    }

    /// <summary>Saves a tensor if <paramref name="needed"/>.</summary>
    protected Tensor? SaveIf(bool needed, string name, Tensor tensor, string equation) => needed ? Save(name, tensor, equation) : null;

    /// <summary>The equations whose gradients are needed, with "; " between them.</summary>
    protected static string Uses(params ReadOnlySpan<(bool Needed, string Equation)> equations)
    {
        string uses = "";
        foreach (var (needed, equation) in equations)
        {
            uses = !needed ? uses : uses.Length == 0 ? equation : $"{uses}; {equation}";
        }
        return uses;
    }

    /// <summary>Saves a parameter. The model owns its memory, so it does not count as saved.</summary>
    protected Tensor SaveWeight(Tensor weight)
    {
        var handle = weight.Unscoped();
        (_weights ??= []).Add(handle);
        return handle;
    }

    /// <summary>Called when the saved tensors are released; a node releases its other resources here.</summary>
    protected virtual void OnRelease() { }

    internal void Attach(ReadOnlySpan<Tensor?> inputs, ReadOnlySpan<Tensor> outputs)
    {
        Path = TensorScope.Innermost?.Path ?? "";
        _inputs = new IGradFn?[inputs.Length];
        _inputShapes = new Shape[inputs.Length];
        for (int i = 0; i < inputs.Length; i++)
        {
            _inputs[i] = inputs[i] is { } input ? input.GradFn : null;
            _inputShapes[i] = inputs[i]?.Shape ?? default;
        }
        _outputs = new GradFn[outputs.Length];
        for (int i = 0; i < outputs.Length; i++)
        {
            outputs[i].GradFn = _outputs[i] = new GradFn(this, outputs[i].Shape, outputs[i].DType);
        }
    }

    /// <summary>Whether more than one input is the same tensor, as in x·x.</summary>
    internal bool HasTwice(IGradFn edge) => Array.IndexOf(_inputs, edge) != Array.LastIndexOf(_inputs, edge);

    /// <summary>Records that this node's backward writes to a gradient, so that the node's own views of the memory do not cause a
    /// copy.</summary>
    internal void MarkWritten(IGradFn edge)
    {
        if (!HasWritten(edge))
        {
            (_written ??= []).Add(edge);
        }
    }

    /// <summary>Whether this node's backward has written to a gradient.</summary>
    internal bool HasWritten(IGradFn edge) => _written is not null && _written.Contains(edge);

    /// <summary>The output recomputed; the consumers share it until the last has run.</summary>
    internal Tensor Recomputed()
    {
        if (_recomputed is null)
        {
            var edge = _outputs[0];
            _recomputed = Tape.RunningBackend.NewTensor(edge.Shape, edge.DType).Keep();
            Recompute(_recomputed);
            TapeObserver.Current?.Recomputed(this, _recomputed);
        }
        return _recomputed;
    }

    internal void ReleaseConsumer()
    {
        if (--Consumers == 0)
        {
            _recomputed?.Dispose();
            _recomputed = null;
        }
    }

    internal void Release()
    {
        _savedValues?.ForEach(value => value.Release());
        _savedValues = null;
        foreach (var saved in _saved)
        {
            saved.Tensor.Storage.MarkSaved(-1);
            saved.Tensor.Dispose();
        }
        _saved.Clear();
        _weights?.ForEach(weight => weight.Dispose());
        _weights = null;
        OnRelease();
        foreach (IGradFn output in _outputs)
        {
            output.FreeGradient();
        }
        _inputs = [];
        _written = null;
    }
}

/// <summary>A tensor saved for backward.</summary>
/// <param name="Name">Its symbol in the op's equation, such as "x" or "rstd".</param>
/// <param name="Tensor">The tensor.</param>
/// <param name="Equation">The equations of backward that read it.</param>
internal readonly record struct Saved(string Name, Tensor Tensor, string Equation);
