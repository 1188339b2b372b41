using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Autograd;

/// <summary>One application of an op on the tape: which inputs want a gradient, what was saved for them, and how to compute them.
/// An op derives its own node, saves in the constructor what the wanted gradients use and nothing else, and releases it by itself after
/// <see cref="Backward"/> has run.</summary>
public abstract class GradientNode(string op)
{
    private readonly List<Saved> _saved = [];
    private readonly List<Tensor> _weights = [];
    private readonly List<SavedValue> _kept = [];
    private Tensor? _remade;
    private GradientEdge?[] _inputs = [];
    private Shape[] _inputShapes = [];
    private GradFn[] _outputs = [];

    /// <summary>Name of the op.</summary>
    public string Op { get; } = op;

    /// <summary>What is kept until backward: name and tensor.</summary>
    public IReadOnlyList<Saved> SavedTensors => _saved;

    internal ReadOnlySpan<GradientEdge?> Inputs => _inputs;

    internal ReadOnlySpan<Shape> InputShapes => _inputShapes;

    internal ReadOnlySpan<GradFn> Outputs => _outputs;

    /// <summary>Module path and number of the call, for reports.</summary>
    internal string Path { get; private set; } = "";

    /// <summary>How many nodes will want this node's output made again.</summary>
    internal int Consumers { get; set; }

    /// <summary>Whether this node can make its output again, cheaply, from what it saved.</summary>
    protected internal virtual bool CanRecompute => false;

    /// <summary>Makes the output again, if <see cref="CanRecompute"/>.</summary>
    /// <param name="y">Takes the values; undefined before.</param>
    protected virtual void Recompute(Tensor y) => throw new NotSupportedException($"{Op} does not make its output again");

    /// <summary>Computes the gradients of the wanted inputs from those of the outputs.</summary>
    protected internal abstract void Backward(BackwardContext flow);

    /// <summary>Keeps a tensor's values until backward has run, whatever scope the tensor belongs to.</summary>
    protected Tensor Save(string name, Tensor tensor)
    {
        var kept = tensor.Unscoped();
        kept.Storage.MarkSaved(1);
        _saved.Add(new Saved(name, kept));
        return kept;
    }

    /// <summary>Keeps a tensor's values, or only the way to make them again.</summary>
    protected SavedValue SaveOrRecompute(string name, Tensor tensor)
    {
        var kept = GradientEdge.Of(tensor) is GradFn { Node: { CanRecompute: true } source } edge && source._outputs.Length == 1
            && edge.Shape == tensor.Shape
            ? new SavedValue(source)
            : new SavedValue(Save(name, tensor));
        _kept.Add(kept);
        return kept;
    }

    /// <summary>Keeps a tensor if a condition holds.</summary>
    protected Tensor? SaveIf(bool needed, string name, Tensor tensor) => needed ? Save(name, tensor) : null;

    /// <summary>Holds on to a parameter's values. They live with the model anyway, so they do not count as saved.</summary>
    protected Tensor SaveWeight(Tensor weight)
    {
        var kept = weight.Unscoped();
        _weights.Add(kept);
        return kept;
    }

    /// <summary>Called once more when the saved tensors are let go, for what a node holds beside them.</summary>
    protected virtual void OnRelease() { }

    internal void Attach(ReadOnlySpan<Tensor?> inputs, ReadOnlySpan<Tensor> outputs)
    {
        Path = TensorScope.Innermost?.Path ?? "";
        _inputs = new GradientEdge?[inputs.Length];
        _inputShapes = new Shape[inputs.Length];
        for (int i = 0; i < inputs.Length; i++)
        {
            _inputs[i] = inputs[i] is { } input ? GradientEdge.Of(input) : null;
            _inputShapes[i] = inputs[i]?.Shape ?? default;
        }
        _outputs = new GradFn[outputs.Length];
        for (int i = 0; i < outputs.Length; i++)
        {
            outputs[i].GradientEdge = _outputs[i] = new GradFn(this, outputs[i].Shape, outputs[i].DType);
        }
    }

    /// <summary>Whether an edge belongs to more than one input, as in x·x.</summary>
    internal bool TakesTwice(GradientEdge edge) => Array.IndexOf(_inputs, edge) != Array.LastIndexOf(_inputs, edge);

    /// <summary>This node's output once more, until the last of those who want it has run.</summary>
    internal Tensor Recomputed()
    {
        if (_remade is null)
        {
            var edge = _outputs[0];
            _remade = Tape.RunningBackend.NewTensor(edge.Shape, edge.DType).Keep();
            Recompute(_remade);
        }
        return _remade;
    }

    internal void ReleaseConsumer()
    {
        if (--Consumers == 0)
        {
            _remade?.Dispose();
            _remade = null;
        }
    }

    internal void Release()
    {
        _kept.ForEach(kept => kept.Release());
        _kept.Clear();
        foreach (var saved in _saved)
        {
            saved.Tensor.Storage.MarkSaved(-1);
            saved.Tensor.Dispose();
        }
        _saved.Clear();
        _weights.ForEach(weight => weight.Dispose());
        _weights.Clear();
        OnRelease();
        foreach (var output in _outputs)
        {
            output.Drop();
        }
        foreach (var input in _inputs)
        {
            input?.LetGo(this);
        }
        _inputs = [];
    }
}

/// <summary>A tensor kept for backward.</summary>
/// <param name="Name">What it is in the op's equation, such as "x" or "rstd".</param>
/// <param name="Tensor">Its values.</param>
public readonly record struct Saved(string Name, Tensor Tensor);
