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
    private readonly int _virtual;

    public CachedDecoder(CausalModel model, IBackend backend, int capacity)
    {
        (_model, _backend) = (model, backend);
        _virtual = model.VirtualTokens?.Count ?? 0;
        _cache = new KvCache(backend, model.LayerCount, _virtual + capacity, model.KeyColumns);
    }

    /// <summary>Tokens read so far.</summary>
    public int Length => Math.Max(0, _cache.Length - _virtual);

    /// <summary>Reads tokens and returns the logits after the last of them.</summary>
    public float[] Read(int[] ids) => Tape.NoGrad(() =>
    {
        using var scope = new TensorScope();
        var hidden = _model.Hidden(ModelInputs.After(_cache, _backend, ids));
        int columns = hidden.Shape.Columns;
        return _model.Head.Forward(hidden.View([1, 1, columns], (long)(hidden.Shape[1] - 1) * columns)).ToFloats();
    });

    /// <summary>Reads tokens and returns the logits after each of them.</summary>
    public float[] ReadAll(int[] ids) => Tape.NoGrad(() =>
    {
        using var scope = new TensorScope();
        return _model.Logits(ModelInputs.After(_cache, _backend, ids)).ToFloats()[^(ids.Length * _model.VocabularySize)..];
    });

    /// <summary>Forgets what was read after the first tokens; with all of them, the virtual tokens before them too.</summary>
    public void GoBack(int length) => _cache.Truncate(length == 0 ? 0 : _virtual + length);

    public void Dispose() => _cache.Dispose();
}
