using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models.Generation;

/// <summary>Incremental decoding of one sequence, or of several of one length, with a cache of keys and values: a new token costs one row.
/// For programs that choose tokens themselves; <see cref="Generator"/> samples.</summary>
public sealed class CachedDecoder : IStepDecoder
{
    /// <summary>Tokens of all sequences: far beyond any memory, without overflow in bytes.</summary>
    private const long MostTokens = 1L << 26;

    private readonly CausalModel _model;
    private readonly Backend _backend;
    private readonly KvCache _cache;
    private readonly int _virtual;

    /// <param name="model">The model, with its active adapters.</param>
    /// <param name="backend">The device of the model.</param>
    /// <param name="capacity">Maximum tokens of a sequence.</param>
    /// <param name="cacheDType">The type of the cached keys and values; null for that of the device's activations.</param>
    /// <param name="batch">Number of sequences.</param>
    public CachedDecoder(TransformerModel model, Backend backend, int capacity, DType? cacheDType = null, int batch = 1)
        : this(model, backend, capacity, cacheDType, batch, batch)
    {
    }

    /// <param name="model">The model, with its active adapters.</param>
    /// <param name="backend">The device of the model.</param>
    /// <param name="capacity">Maximum tokens of a sequence.</param>
    /// <param name="cacheDType">The type of the cached keys and values; null for that of the device's activations.</param>
    /// <param name="batch">Number of sequences at first.</param>
    /// <param name="largestBatch">Maximum number of sequences after <see cref="Reorder"/>.</param>
    internal CachedDecoder(TransformerModel model, Backend backend, int capacity, DType? cacheDType, int batch, int largestBatch)
    {
        ArgumentNullException.ThrowIfNull(backend);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        (_model, _backend) = (CausalModel.Of(model), backend);
        _virtual = model.VirtualTokens?.Count ?? 0;
        if (((long)_virtual + capacity) * largestBatch > MostTokens)
        {
            throw new ArgumentOutOfRangeException(nameof(batch), largestBatch,
                $"{largestBatch} sequences of {capacity} tokens are more than the {MostTokens} tokens that a cache may have");
        }
        _cache = new KvCache(backend, model.LayerCount, _virtual + capacity, model.KeyColumns, largestBatch, cacheDType,
            model.ValueColumns);
        if (batch < largestBatch)
        {
            _cache.Reorder([.. Enumerable.Range(0, batch)]);
        }
    }

    int IStepDecoder.VocabularySize => _model.VocabularySize;

    /// <summary>Number of sequences.</summary>
    internal int Sequences => _cache.Sequences;

    int IStepDecoder.Sequences => Sequences;

    int IStepDecoder.Room => _cache.Capacity - _virtual - Length;

    /// <summary>Tokens of a sequence read so far.</summary>
    internal int Length => Math.Max(0, _cache.Length - _virtual);

    /// <summary>The KV cache.</summary>
    internal KvCache Cache => _cache;

    /// <summary>Bytes of the KV cache.</summary>
    public long CacheBytes => _cache.Bytes;

    /// <summary>The type of the cached keys and values.</summary>
    public DType CacheDType => _cache.DType;

    /// <summary>Index of the task, for multitask adapters; null if unset.</summary>
    internal int? Task { get; set; }

    private int[]? Tasks => Task is { } task ? [task] : null;

    /// <summary>Reads tokens and returns the logits after the last of them, for each sequence.</summary>
    internal float[] Read(ReadOnlySpan<int> ids)
    {
        float[] logits = new float[Sequences * _model.VocabularySize];
        Read(ids, logits);
        return logits;
    }

    /// <summary>Reads tokens and writes the logits after the last of them.</summary>
    /// <param name="ids">(batch, tokens).</param>
    /// <param name="logits">(batch, vocabulary).</param>
    /// <exception cref="ShapeException">The ids do not fill the sequences, or the logits have another length.</exception>
    public void Read(ReadOnlySpan<int> ids, Span<float> logits)
    {
        if (ids.IsEmpty || ids.Length % Sequences != 0)
        {
            throw new ShapeException("read", $"{ids.Length} tokens do not fill {Sequences} rows of one length");
        }
        if (logits.Length != Sequences * _model.VocabularySize)
        {
            throw new ShapeException("read", $"needs room for {Sequences}·{_model.VocabularySize} logits, got {logits.Length}");
        }
        using var pass = _model.BeginPass();
        using var scope = new TensorScope();
        using var quiet = Tape.Pause();
        var hidden = _model.Hidden(ModelInputs.After(_cache, _backend, ids, Sequences, Tasks));
        _model.LogitsOf(hidden.LastRows()).Cast(DType.F32).Download(logits);
    }

    /// <summary>Reads tokens of one sequence and returns the logits after each of them.</summary>
    internal float[] ReadAll(int[] ids) => Tape.NoGrad(() =>
    {
        using var pass = _model.BeginPass();
        using var scope = new TensorScope();
        return _model.Logits(ModelInputs.After(_cache, _backend, ids, tasks: Tasks)).ToFloats()[^(ids.Length * _model.VocabularySize)..];
    });

    /// <summary>Truncates the cache to the first <paramref name="length"/> tokens; with 0, the virtual tokens are removed too.</summary>
    /// <returns>The tokens that are left: none if the model has states that cannot forget the last tokens alone.</returns>
    internal int GoBack(int length) => Math.Max(0, _cache.Truncate(length == 0 ? 0 : _virtual + length) - _virtual);

    void IStepDecoder.Reorder(ReadOnlySpan<int> rows) => Reorder(rows);

    /// <inheritdoc cref="IStepDecoder.Reorder"/>
    internal void Reorder(ReadOnlySpan<int> rows) => _cache.Reorder(rows);

    /// <summary>Frees the cache.</summary>
    public void Dispose() => _cache.Dispose();
}
