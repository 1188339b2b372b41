using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models.Generation;

/// <summary>Incremental decoding with an encoder-decoder: the encoder runs once, its keys and values for every block of the decoder are
/// kept, and so are those of the tokens so far.</summary>
internal sealed class Seq2SeqDecoder : IStepDecoder
{
    private readonly Seq2SeqModel _model;
    private readonly Backend _backend;
    private readonly KvCache _cross;
    private readonly KvCache _self;
    private readonly int _prefix;
    private int[] _sources; // (sequences): the source text of each
    private int[] _keys; // (sequences, 2): the keys [first, end) of each source text

    /// <param name="model">The model, with its active adapters.</param>
    /// <param name="backend">The device of the model.</param>
    /// <param name="sources">The tokens of the source texts, or their sound; one sequence each at first.</param>
    /// <param name="capacity">Maximum tokens of a target text.</param>
    /// <param name="cacheDType">The type of the cached keys and values; null for that of the device's activations.</param>
    /// <param name="largestBatch">Maximum number of sequences after <see cref="Reorder"/>.</param>
    public Seq2SeqDecoder(Seq2SeqModel model, Backend backend, InputArrays sources, int capacity, DType? cacheDType,
        int largestBatch)
    {
        (_model, _backend) = (model, backend);
        _prefix = model.VirtualTokens is { } before ? before.Count - before.ReadCount : 0;
        using var pass = _model.BeginPass();
        using var scope = new TensorScope();
        using var quiet = Tape.Pause();
        var (states, inputs) = model.Encode(model.ToSource(sources));
        _sources = [.. Enumerable.Range(0, sources.BatchSize)];
        _keys = inputs.RowKeys();
        _cross = NewCache(states.Shape[1]);
        _self = NewCache(_prefix + capacity);
        for (int block = 0; block < model.DecoderLayerCount; block++)
        {
            using var layer = new TensorScope();
            var (keys, values) = model.CrossAttentionOf(block).KeysOf(states);
            _cross.Append(block, keys, values);
        }
        _cross.Advance(states.Shape[1]);

        KvCache NewCache(int length)
        {
            var cache = new KvCache(backend, model.DecoderLayerCount, length, model.KeyColumns, largestBatch, cacheDType);
            cache.Reorder(_sources);
            return cache;
        }
    }

    public int VocabularySize => _model.VocabularySize;

    public int Sequences => _self.Sequences;

    public int Room => _self.Capacity - _prefix - Math.Max(0, _self.Length - _prefix);

    public void Read(ReadOnlySpan<int> ids, Span<float> logits)
    {
        using var pass = _model.BeginPass();
        using var scope = new TensorScope();
        using var quiet = Tape.Pause();
        var inputs = ModelInputs.After(_self, _backend, ids, Sequences).Crossing(_keys, _cross);
        _model.HeadLogits(_model.Decode(inputs, states: null).LastRows()).Cast(DType.F32).Download(logits);
    }

    public void Reorder(ReadOnlySpan<int> rows)
    {
        // Sequences of one source text have equal keys, which need not be copied when beams change places.
        int[] sources = Gathered(_sources, 1, rows), moves = rows.ToArray();
        for (int i = 0; i < Math.Min(moves.Length, _sources.Length); i++)
        {
            moves[i] = _sources[i] == sources[i] ? i : moves[i];
        }
        _cross.Reorder(moves);
        _self.Reorder(rows);
        (_sources, _keys) = (sources, Gathered(_keys, 2, rows));
    }

    public void Dispose()
    {
        _cross.Dispose();
        _self.Dispose();
    }

    /// <summary>The spectrograms of several texts.</summary>
    public static InputArrays Joined(IReadOnlyList<DenseArray> sounds)
    {
        var first = sounds[0].Shape;
        return new InputArrays
        {
            BatchSize = sounds.Count,
            Sound = new DenseArray([.. sounds.SelectMany(sound => sound.Values)], [sounds.Count, first[1], first[2]]),
        };
    }

    /// <summary>Source texts as rows of one length, padded on the right.</summary>
    public static InputArrays Padded(IReadOnlyList<int[]> sources, int pad)
    {
        int length = sources.Max(source => source.Length);
        int[] ids = new int[sources.Count * length], mask = new int[ids.Length];
        Array.Fill(ids, pad);
        for (int row = 0; row < sources.Count; row++)
        {
            sources[row].CopyTo(ids, row * length);
            mask.AsSpan(row * length, sources[row].Length).Fill(1);
        }
        return new InputArrays { Ids = ids, BatchSize = sources.Count, Mask = mask };
    }

    private static int[] Gathered(int[] values, int columns, ReadOnlySpan<int> rows)
    {
        int[] gathered = new int[rows.Length * columns];
        for (int i = 0; i < gathered.Length; i++)
        {
            gathered[i] = values[rows[i / columns] * columns + i % columns];
        }
        return gathered;
    }
}
