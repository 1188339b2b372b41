using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models.Generation;

/// <summary>Incremental decoding of sequences that join and leave between steps, each with its own length. A prompt is read by itself, as
/// it would be alone; a step then reads one token of every sequence.</summary>
internal sealed class BatchedDecoder : IDisposable
{
    private readonly CausalModel _model;
    private readonly Backend _backend;
    private readonly KvCache _cache;

    /// <param name="model">The model.</param>
    /// <param name="backend">The device of the model.</param>
    /// <param name="rows">Maximum number of sequences.</param>
    /// <param name="capacity">Maximum tokens of a sequence, virtual ones included.</param>
    /// <param name="cacheDType">The type of the cached keys and values; null for that of the device's activations.</param>
    public BatchedDecoder(CausalModel model, Backend backend, int rows, int capacity, DType? cacheDType)
    {
        (_model, _backend) = (model, backend);
        _cache = new KvCache(backend, model.LayerCount, capacity, model.KeyColumns, rows, cacheDType, model.ValueColumns);
        _cache.RemoveAll();
    }

    /// <summary>Sequences now.</summary>
    public int Sequences => _cache.Sequences;

    /// <summary>Maximum tokens of a sequence.</summary>
    public int Capacity => _cache.Capacity;

    /// <summary>Bytes of keys and values.</summary>
    public long CacheBytes => _cache.Bytes;

    /// <summary>Dtype of keys and values.</summary>
    public DType CacheDType => _cache.DType;

    public int VocabularySize => _model.VocabularySize;

    /// <summary>Bytes of the keys and values of one token.</summary>
    public static long BytesOfToken(TransformerModel model, DType dtype) =>
        (long)model.LayerCount * (model.KeyColumns + model.ValueColumns) * dtype.Size;

    /// <summary>Adds a sequence as the last one: reads its prompt with the adapters of the call.</summary>
    /// <param name="prompt">The tokens.</param>
    /// <param name="length">Maximum tokens of the sequence.</param>
    /// <param name="logits">(vocabulary): receives the logits after the last of them.</param>
    public void Join(ReadOnlySpan<int> prompt, int length, Span<float> logits)
    {
        using var pass = _model.BeginPass();
        using var own = new CachedDecoder(_model, _backend, length, _cache.DType);
        own.Read(prompt, logits);
        _cache.Add(own.Cache);
    }

    /// <summary>Reads one token of every sequence.</summary>
    /// <param name="ids">(sequences).</param>
    /// <param name="logits">(sequences, vocabulary).</param>
    public void Step(ReadOnlySpan<int> ids, Span<float> logits)
    {
        using var pass = _model.BeginPass();
        using var scope = new TensorScope();
        using var quiet = Tape.Pause();
        var hidden = _model.Hidden(ModelInputs.After(_cache, _backend, ids, Sequences));
        _model.LogitsOf(hidden.LastRows()).Cast(DType.F32).Download(logits);
    }

    /// <summary>Removes a sequence; the last one takes its place.</summary>
    public void Leave(int row)
    {
        using var turn = _backend.EnterPass();
        using var scope = new TensorScope();
        _cache.Remove(row);
    }

    /// <summary>Removes all sequences.</summary>
    public void Clear() => _cache.RemoveAll();

    /// <summary>Frees the cache.</summary>
    public void Dispose() => _cache.Dispose();
}
