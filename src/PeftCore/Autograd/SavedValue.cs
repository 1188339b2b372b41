using PeftCore.Tensors;

namespace PeftCore.Autograd;

/// <summary>A value for a node's backward: saved, or recomputed from the tensors that the node which computed it saves anyway. It is Chen
/// et al. 2016's trade of time for memory, applied where recomputing is cheap: norms and elementwise functions.</summary>
internal sealed class SavedValue
{
    private readonly Tensor? _saved;
    private readonly GradientNode? _source;
    private bool _released;

    internal SavedValue(Tensor saved) => _saved = saved;

    internal SavedValue(GradientNode source)
    {
        _source = source;
        source.Consumers++;
    }

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
