using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Reads the attention probabilities of one block from a forward pass on this thread. The ops never form them; attention over
/// unit vectors as values gives them: with v = I, P·v = P, so that masks, windows, biases and prefixes are those of the pass.</summary>
internal sealed class AttentionProbe
{
    private readonly int _block;
    private float[]? _probabilities;
    private Shape _shape;

    private AttentionProbe(int block) => _block = block;

    /// <summary>The probe of this thread's pass; null outside <see cref="Run"/>.</summary>
    [field: ThreadStatic]
    public static AttentionProbe? Current { get; private set; }

    /// <summary>Runs a pass over one text.</summary>
    /// <inheritdoc cref="TransformerModel.AttentionOf"/>
    public static (float[] Probabilities, Shape Shape) Run(TransformerModel model, ReadOnlySpan<int> ids, int block)
    {
        if (!model.ReadsTokens || model is Seq2SeqModel)
        {
            throw new BadInputException($"this {model.ModelType} model is no decoder of tokens");
        }
        using var scope = new TensorScope();
        using var evaluation = new EvalModeScope(model.Mode);
        var inputs = model.ToInputs(new InputArrays { Ids = ids.ToArray(), BatchSize = 1 });
        var probe = new AttentionProbe(block);
        Current = probe;
        try
        {
            Tape.NoGrad(() => model.Hidden(inputs));
        }
        finally
        {
            Current = null;
        }
        return probe._probabilities is { } read ? (read, probe._shape)
            : throw new BadInputException($"block {block} of this {model.ModelType} model has no attention over the tokens before it");
    }

    /// <summary>Called by the attention of every block.</summary>
    public void Read(int block, Heads q, Heads k, AttentionOptions options)
    {
        if (block != _block)
        {
            return;
        }
        int queries = q.Tensor.Shape[1], keys = k.Tensor.Shape[1], heads = q.Count;
        _shape = [heads, queries, keys];
        _probabilities = new float[heads * queries * keys];
        for (int first = 0; first < keys; first += k.Dim)
        {
            using var scope = new TensorScope();
            var units = UnitValues(q.Tensor.Backend, k.Count, k.Dim, keys, first);
            float[] part = q.Attend(k, units, options with { Dropout = default }).ToFloats(); // (1, queries, heads·dim)
            for (int i = 0; i < part.Length; i++)
            {
                int query = i / (heads * k.Dim), head = i / k.Dim % heads, key = first + i % k.Dim;
                if (key < keys)
                {
                    _probabilities[(head * queries + query) * keys + key] = part[i];
                }
            }
        }
    }

    /// <summary>Values whose column j is 1 for key first + j and 0 for others, in each head.</summary>
    private static Heads UnitValues(Backend backend, int heads, int dim, int keys, int first)
    {
        float[] values = new float[keys * heads * dim];
        for (int key = first; key < Math.Min(keys, first + dim); key++)
        {
            for (int head = 0; head < heads; head++)
            {
                values[(key * heads + head) * dim + key - first] = 1;
            }
        }
        return new Heads(backend.From(values, [1, keys, heads * dim]), heads, dim);
    }
}
