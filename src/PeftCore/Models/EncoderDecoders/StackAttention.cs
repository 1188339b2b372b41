using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Attention of an encoder-decoder's blocks (Vaswani et al. 2017): o(softmax(scale·q·kᵀ + bias + mask)·v), with keys and values
/// from the same stack (self-attention) or from the encoder's hidden states (cross-attention).</summary>
internal sealed class StackAttention : Module
{
    private readonly AttentionSizes _sizes;
    private readonly int _block;
    private readonly DropoutSite _probabilities;
    private readonly Linear _q;
    private readonly Linear _k;
    private readonly Linear _v;
    private readonly Linear _o;

    /// <summary>Declares the layers.</summary>
    /// <param name="sizes">Sizes and names.</param>
    /// <param name="block">Number of the block in its stack.</param>
    /// <param name="probabilities">Dropout of the probabilities.</param>
    public StackAttention(AttentionSizes sizes, int block, DropoutSite probabilities)
    {
        (_sizes, _block, _probabilities) = (sizes, block, probabilities);
        int inner = sizes.Heads * sizes.HeadDim;
        // The order of transformers' modules, which decides the order of parameters and of random streams.
        var declared = new Dictionary<string, Linear>(StringComparer.Ordinal);
        foreach (string name in sizes.Names.Order)
        {
            declared.Add(name, Add(name, name == sizes.Names.O ? new Linear(inner, sizes.HiddenSize, sizes.Bias)
                : new Linear(sizes.HiddenSize, inner, sizes.Bias && (sizes.KeyBias || name != sizes.Names.K))));
        }
        (_q, _k, _v, _o) = (declared[sizes.Names.Q], declared[sizes.Names.K], declared[sizes.Names.V], declared[sizes.Names.O]);
    }

    /// <summary>T5's table of biases by relative position, (buckets, heads); null in other blocks and families.</summary>
    public Embedding? RelativeBias { get; private set; }

    /// <summary>Declares the table of biases.</summary>
    public void AddRelativeBias(int buckets) => RelativeBias = Add("relative_attention_bias", new Embedding(buckets, _sizes.Heads));

    /// <summary>Attention to the tokens of the same stack.</summary>
    public Tensor Self(Tensor x, Tensor? bias, ModelInputs inputs) // (B, T, C)
    {
        using var scope = new TensorScope(Name);
        var qkv = Linear.ForwardFused(x, _q, _k, _v);
        var options = new SelfAttentionOptions(_sizes.Scale, Bias: bias, Dropout: _probabilities.Now(Mode));
        return scope.Return(_o.Forward(inputs.Attend(_block, Heads(qkv[0]), Heads(qkv[1]), Heads(qkv[2]), options)));
    }

    /// <summary>Attention to the encoder's hidden states.</summary>
    /// <param name="x">(B, T', C)</param>
    /// <param name="states">(B, T, C); null if the keys are cached.</param>
    /// <param name="inputs">The decoder's inputs.</param>
    public Tensor Cross(Tensor x, Tensor? states, ModelInputs inputs)
    {
        using var scope = new TensorScope(Name);
        var (k, v) = inputs.CrossCache is { } cache ? cache.Read(_block) : KeysOf(states!);
        var options = new AttentionOptions(_sizes.Scale, inputs.CrossRanges, Bias: inputs.CrossHoles,
            Dropout: _probabilities.Now(Mode));
        return scope.Return(_o.Forward(Heads(_q.Forward(x)).Attend(Heads(k), Heads(v), options)));
    }

    /// <summary>The keys and values of the encoder's hidden states.</summary>
    public (Tensor Keys, Tensor Values) KeysOf(Tensor states)
    {
        var kv = Linear.ForwardFused(states, _k, _v);
        return (kv[0], kv[1]);
    }

    private Heads Heads(Tensor tensor) => new(tensor, _sizes.Heads, _sizes.HeadDim);
}

/// <summary>Sizes of an attention.</summary>
/// <param name="HiddenSize">Size of a hidden state.</param>
/// <param name="Heads">Heads.</param>
/// <param name="HeadDim">Size of a head.</param>
/// <param name="Scale">Factor of q·k.</param>
/// <param name="Bias">Whether the layers have biases.</param>
/// <param name="Names">Names of the layers.</param>
/// <param name="KeyBias">Whether keys have a bias if the other layers do. Softmax does not see it.</param>
internal sealed record AttentionSizes(int HiddenSize, int Heads, int HeadDim, float Scale, bool Bias, AttentionNames Names,
    bool KeyBias = true);

/// <summary>Names of an attention's layers.</summary>
/// <param name="Q">The projection to queries.</param>
/// <param name="K">The projection to keys.</param>
/// <param name="V">The projection to values.</param>
/// <param name="O">The output projection.</param>
/// <param name="Order">All four, in the order of transformers' modules.</param>
internal sealed record AttentionNames(string Q, string K, string V, string O, IReadOnlyList<string> Order)
{
    /// <summary>T5's names.</summary>
    public static AttentionNames T5 { get; } = new("q", "k", "v", "o", ["q", "k", "v", "o"]);

    /// <summary>BART's names.</summary>
    public static AttentionNames Bart { get; } = new("q_proj", "k_proj", "v_proj", "out_proj", ["k_proj", "v_proj", "q_proj", "out_proj"]);
}
