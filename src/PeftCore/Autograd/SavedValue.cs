using PeftCore.Tensors;

namespace PeftCore.Autograd;

/// <summary>A value that a node's backward will want: kept, or made again from what the node that computed it keeps anyway (Chen et al.
/// 2016's trade of memory for time, where it costs next to nothing: norms and elementwise functions).</summary>
public sealed class SavedValue
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

    /// <summary>The values; those who want the same ones share one tensor.</summary>
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
