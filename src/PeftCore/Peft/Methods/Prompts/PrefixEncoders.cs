using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Prompts;

/// <summary>Prefix tuning (Li and Liang 2021): keys and values that every attention layer prepends to its own. Those of a layer are
/// computed inside its block, so that gradient checkpointing recomputes them with the block.</summary>
/// <param name="count">Number of keys.</param>
/// <param name="layers">Blocks that the table has keys for.</param>
/// <param name="stacks">1, or 2 for an encoder-decoder.</param>
internal abstract class PrefixEncoder(int count, int layers, int stacks) : PromptEncoder(count)
{
    /// <summary>Keys and values of one block, each (tokens, key columns). As Hugging Face PEFT cuts the table of an encoder-decoder, block
    /// l of the decoder has those of block 2·l, counted around the table.</summary>
    public (Tensor Keys, Tensor Values) Layer(int index) => Part(stacks * index % layers);

    /// <summary>The keys and values at an index of the table.</summary>
    protected abstract (Tensor Keys, Tensor Values) Part(int index);
}

/// <summary>Prefix tuning without a projection (P-tuning v2, Liu et al. 2022): one trained table (tokens, layers·2·key columns) with
/// columns K₀, V₀, K₁, V₁, …</summary>
internal sealed class TablePrefix : PrefixEncoder
{
    private readonly Parameter _table;
    private readonly int _columns;

    public TablePrefix(AttachContext context, PrefixTuningConfig config)
        : base(config.NumVirtualTokens, config.NumLayers!.Value, config.NumTransformerSubmodules!.Value)
    {
        _columns = config.TokenDim!.Value;
        _table = context.NewParameter([Count, 2 * config.NumLayers!.Value * _columns]);
        context.Backend.FillNormal(_table.Value, 0, config.InitZero ? 0 : 1, context.Seed, 0);
    }

    public override IEnumerable<AdapterParameter> Parameters => [Named("embedding.weight", Key, _table)];

    public override IEnumerable<SavedEntry> Entries => Parameters.Select(SavedEntry.Of);

    protected override (Tensor Keys, Tensor Values) Part(int index) =>
        (_table.Value.Columns(2 * index * _columns, _columns), _table.Value.Columns((2 * index + 1) * _columns, _columns));
}

/// <summary>Prefix tuning with a projection (Li and Liang 2021): keys and values of all layers = tanh(E·W₀ᵀ + b₀)·W₂ᵀ + b₂ with a trained
/// table E (tokens, key columns).</summary>
internal sealed class ProjectedPrefix : PrefixEncoder
{
    private readonly NamedParameters _weights;
    private readonly Parameter _table;
    private readonly Func<Tensor, Tensor> _inner;
    private readonly Parameter _outer;
    private readonly Parameter _outerBias;
    private readonly int _columns;

    public ProjectedPrefix(AttachContext context, PrefixTuningConfig config)
        : base(config.NumVirtualTokens, config.NumLayers!.Value, config.NumTransformerSubmodules!.Value)
    {
        _weights = new NamedParameters(context);
        _columns = config.TokenDim!.Value;
        int hidden = config.EncoderHiddenSize!.Value, outputs = 2 * config.NumLayers!.Value * _columns;
        float bound = config.InitZero ? 0 : 1 / MathF.Sqrt(hidden);
        _table = _weights.Normal("embedding.weight", [Count, _columns]);
        _inner = _weights.Linear("transform.0", _columns, hidden);
        _outer = _weights.Uniform("transform.2.weight", [outputs, hidden], bound);
        _outerBias = _weights.Uniform("transform.2.bias", [outputs], bound);
    }

    public override bool IsNetwork => true;

    public override IEnumerable<AdapterParameter> Parameters =>
        _weights.All.Select(weight => Named(weight.Name, weight.Name, weight.Parameter));

    public override IEnumerable<SavedEntry> Entries => [Computed(() => Hidden().Linear(_outer.Value, _outerBias.Value))];

    protected override (Tensor Keys, Tensor Values) Part(int index)
    {
        var both = Hidden().Linear(_outer.Value.Slice(2 * index * _columns, 2 * _columns),
            _outerBias.Value.Slice(2 * index * _columns, 2 * _columns));
        return (both.Columns(0, _columns), both.Columns(_columns, _columns));
    }

    private Tensor Hidden() => _inner(_table.Value).Activate<Tanh>();
}
