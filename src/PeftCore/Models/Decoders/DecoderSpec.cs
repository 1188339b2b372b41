using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>How a family's blocks combine attention and MLP.</summary>
internal enum BlockOrder
{
    /// <summary>x += Attention(n₁(x)), then x += MLP(n₂(x)).</summary>
    Sequential,

    /// <summary>x += Attention(n₁(x)) + MLP(n₂(x)) (Wang and Komatsuzaki 2021, GPT-J).</summary>
    Parallel,

    /// <summary>x = n₁(x + Attention(x)), then x = n₂(x + MLP(x)) (Vaswani et al. 2017; OPT 350M).</summary>
    NormOfSum,
}

/// <summary>What the norms of q and k cover.</summary>
internal enum QkNorm
{
    /// <summary>There are none.</summary>
    None,

    /// <summary>One norm for all heads, of each head alone (Qwen3).</summary>
    PerHead,

    /// <summary>One norm of all heads together (OLMo 2).</summary>
    WholeProjection,

    /// <summary>A norm of each head alone, with a row of one (heads, head dim) weight for each (Cohere).</summary>
    HeadWeights,

    /// <summary>As <see cref="HeadWeights"/>, each weight under a name of its own (StableLM).</summary>
    HeadModules,
}

/// <summary>The feed-forward network of a block.</summary>
internal enum MlpKind
{
    /// <summary>down(f(gate(x))·up(x)) (Shazeer 2020).</summary>
    Gated,

    /// <summary>As <see cref="Gated"/>, gate and up being the halves of one projection.</summary>
    FusedGated,

    /// <summary>down(f(up(x))).</summary>
    Plain,
}

/// <summary>A decoder-only transformer as a row of switches: what a family's configuration says, read by <see cref="Decoder"/>. A family is
/// a page that maps its config.json to a spec.</summary>
internal sealed record DecoderSpec
{
    /// <summary>model_type of config.json.</summary>
    public required string ModelType { get; init; }

    /// <summary>The names of the modules.</summary>
    public DecoderNames Names { get; init; } = new();

    /// <summary>Tokens in the vocabulary.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Size of a hidden state, C.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Size of the MLP's hidden layer.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Number of blocks.</summary>
    public required int Layers { get; init; }

    /// <summary>Query heads, H.</summary>
    public required int Heads { get; init; }

    /// <summary>Key and value heads.</summary>
    public required int KeyHeads { get; init; }

    /// <summary>Elements of a head, D.</summary>
    public required int HeadDim { get; init; }

    /// <summary>The padding token; null if the configuration names none.</summary>
    public int? PaddingToken { get; init; }

    /// <summary>Longest sequence.</summary>
    public required int MaxLength { get; init; }

    /// <summary>Size of an embedding if it differs from that of a hidden state; 0 if not.</summary>
    public int EmbeddingSize { get; init; }

    /// <summary>Whether the head shares the embedding's table.</summary>
    public bool TieEmbeddings { get; init; }

    /// <summary>Whether the head has a bias.</summary>
    public bool HeadBias { get; init; }

    /// <summary>Order of attention, MLP and sums in a block. Which norms there are is said by <see cref="DecoderNames.Norms"/>.</summary>
    public BlockOrder Order { get; init; }

    /// <summary>Whether the attention is added to its normalised input instead of its input (BLOOM's
    /// apply_residual_connection_post_layernorm).</summary>
    public bool ResidualAfterNorm { get; init; }

    /// <summary>The kind of all norms.</summary>
    public NormKind Norm { get; init; }

    /// <summary>ε of the norms.</summary>
    public float Epsilon { get; init; } = 1e-6f;

    /// <summary>Rotary positions of each layer; null for none.</summary>
    public PerLayer<RopeSpec?> Rope { get; init; } = new((RopeSpec?)null);

    /// <summary>Learned positions: rows of the table before that of position 0, of <see cref="MaxLength"/> + offset rows; null for no
    /// table.</summary>
    public int? LearnedPositionOffset { get; init; }

    /// <summary>Whether positions count the tokens of the mask (OPT) rather than all places of a row; they differ for padding.</summary>
    public bool PositionsOfMask { get; init; }

    /// <summary>ALiBi slopes, one for each query head (Press et al. 2022); null for none.</summary>
    public IReadOnlyList<float>? AlibiSlopes { get; init; }

    /// <summary>Whether a fused projection has the query heads, the key and the value of one key head side by side (GPT-NeoX, Falcon)
    /// rather than all queries, all keys, all values (GPT-2, Phi-3).</summary>
    public bool QkvPerKeyHead { get; init; }

    /// <summary>Whether linear layers store their weight (in, out), as GPT-2's Conv1D.</summary>
    public bool TransposedWeights { get; init; }

    /// <summary>Whether q, k and v have biases.</summary>
    public bool QkvBias { get; init; }

    /// <summary>Whether the attention's output projection has a bias.</summary>
    public bool OutputBias { get; init; }

    /// <summary>Norms of q and k.</summary>
    public QkNorm QkNorm { get; init; }

    /// <summary>Factor of q·k; null for 1/√D.</summary>
    public PerLayer<float>? AttentionScale { get; init; }

    /// <summary>Scores s become cap·tanh(s/cap) (Gemma 2); 0 for none.</summary>
    public float AttentionSoftCap { get; init; }

    /// <summary>Keys that a token attends to, its own included; 0 for no window.</summary>
    public PerLayer<int> Windows { get; init; } = 0;

    /// <summary>Growth of q with its position (Llama 4); null for none.</summary>
    public QueryGrowth? QueryGrowth { get; init; }

    /// <summary>Whether blocks read which tokens are padding, as linear attention does.</summary>
    public bool ReadsTokenMask { get; init; }

    /// <summary>The kind of MLP.</summary>
    public MlpKind Mlp { get; init; }

    /// <summary>The MLP's activation: one of <see cref="Activations.Names"/>.</summary>
    public string Activation { get; init; } = "silu";

    /// <summary>Whether the MLP's layers have biases.</summary>
    public bool MlpBias { get; init; }

    /// <summary>Makes the MLP of a layer in place of <see cref="Mlp"/>, such as a mixture of experts; null, or a null result, for the
    /// usual one.</summary>
    public Func<DecoderSpec, int, Layer?>? MlpFactory { get; init; }

    /// <summary>Makes the token mixer of a layer and its name in place of the usual attention; null, or a null result, for the usual
    /// one.</summary>
    public Func<DecoderSpec, int, DecoderPositions, (string Name, TokenMixer Mixer)?>? MixerFactory { get; init; }

    /// <summary>Columns of a value's head if they differ from <see cref="HeadDim"/>; 0 if not.</summary>
    public int ValueDim { get; init; }

    /// <summary>Whether each head has a learned logit that attends to no key (gpt-oss's sinks).</summary>
    public bool AttentionSinks { get; init; }

    /// <summary>Whether the query projection has a gate for each column of the attention's output: o·σ(gate) (Qwen3.5).</summary>
    public bool AttentionGate { get; init; }

    /// <summary>The experts of the blocks that are mixtures; null without any.</summary>
    public ExpertSpec? Experts { get; init; }

    /// <summary>Whether a name in a weight file belongs to a part that is left out, such as layers for multi-token prediction.</summary>
    public Func<string, bool>? IsLeftOut { get; init; }

    /// <summary>Factor of token embeddings; virtual tokens have none (Gemma).</summary>
    public float TokenMultiplier { get; init; } = 1;

    /// <summary>Factor of all embeddings, virtual tokens included (Granite).</summary>
    public float EmbeddingMultiplier { get; init; } = 1;

    /// <summary>Factor of what a sublayer adds to the residual stream.</summary>
    public float ResidualMultiplier { get; init; } = 1;

    /// <summary>Factor of the logits.</summary>
    public float LogitMultiplier { get; init; } = 1;

    /// <summary>Logits l become cap·tanh(l/cap) (Gemma 2); 0 for none.</summary>
    public float LogitSoftCap { get; init; }

    /// <summary>Probability of dropout on the embeddings.</summary>
    public float EmbeddingDropout { get; init; }

    /// <summary>Probability of dropout on the attention's output.</summary>
    public float AttentionDropout { get; init; }

    /// <summary>Probability of dropout on attention probabilities.</summary>
    public float ProbabilityDropout { get; init; }

    /// <summary>Probability of dropout on the MLP's output.</summary>
    public float MlpDropout { get; init; }
}

/// <summary>q is multiplied by 1 + β·ln(1 + ⌊position/length⌋), so that attention stays sharp in contexts longer than those of
/// pre-training (Llama 4).</summary>
/// <param name="Beta">β</param>
/// <param name="Length">Context length of pre-training.</param>
internal sealed record QueryGrowth(float Beta, int Length);
