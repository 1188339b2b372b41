using PeftCore.Tensors;

namespace PeftCore.Autograd;

/// <summary>A value for a node's backward: saved, or recomputed from the tensors that the node which computed it saves anyway. It is Chen
/// et al. 2016's trade of time for memory, applied where recomputing is cheap: norms and elementwise functions.</summary>
internal sealed class SavedValue
{
    private readonly Tensor? _saved;
    private readonly GradientNode? _source;
    private bool _released;

    internal SavedValue(string name, Tensor saved) => (Name, _saved) = (name, saved);

    internal SavedValue(string name, GradientNode source, string equation)
    {
        (Name, _source, Equation) = (name, source, equation);
        source.Consumers++;
    }

    /// <summary>Its symbol in the op's equation.</summary>
    internal string Name { get; }

    /// <summary>The equations of backward that read a recomputed value; empty for a saved one, whose <see cref="Saved"/> has
    /// them.</summary>
    internal string Equation { get; } = "";

    /// <summary>The node that recomputes the value; null if it is saved.</summary>
    internal GradientNode? Source => _source;

    /// <summary>The tensor; all consumers of a recomputed one share it.</summary>
    public Tensor Value => _saved ?? _source!.Recomputed();

    internal void Release()
    {
        if (_source is not null && !_released)
        {
            _released = true;
            _source.ReleaseConsumer();
        }
    }
}
