using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Models.Generation;

/// <summary>A model reading a sequence piece by piece: what it has read is kept as keys and values, so that a new token costs one row.</summary>
internal sealed class CachedDecoder : IDisposable
{
    private readonly CausalModel _model;
    private readonly IBackend _backend;
    private readonly KvCache _cache;

    public CachedDecoder(CausalModel model, IBackend backend, int capacity)
    {
        (_model, _backend) = (model, backend);
        _cache = new KvCache(backend, model.LayerCount, capacity, model.KeyColumns);
    }

    public int Length => _cache.Length;

    /// <summary>Reads tokens and returns the logits after the last of them.</summary>
    public float[] Read(int[] ids) => Tape.NoGrad(() =>
    {
        using var scope = new TensorScope();
        var hidden = _model.Hidden(ModelInputs.After(_cache, _backend, ids));
        int columns = hidden.Shape.Columns;
        return _model.Head.Forward(hidden.View([1, 1, columns], (long)(ids.Length - 1) * columns)).ToArray<float>();
    });

    /// <summary>Reads tokens and returns the logits after each of them.</summary>
    public float[] ReadAll(int[] ids) => Tape.NoGrad(() =>
    {
        using var scope = new TensorScope();
        return _model.Logits(ModelInputs.After(_cache, _backend, ids)).ToArray<float>();
    });

    /// <summary>Forgets what was read after the first tokens.</summary>
    public void GoBack(int length) => _cache.Truncate(length);

    public void Dispose() => _cache.Dispose();
}
