using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Prompts;

/// <summary>Makes keys and values for every layer. They are made layer by layer inside the block that uses them, so that a block that is
/// run again in backward (gradient checkpointing) makes its own again.</summary>
internal abstract class PrefixEncoder(int count) : PromptEncoder(count)
{
    /// <summary>(tokens, key columns) keys and values of one layer.</summary>
    public abstract (Tensor Keys, Tensor Values) Layer(int index);
}

/// <summary>A table with all keys and values, (tokens, layers·2·key columns): K₀, V₀, K₁, V₁ …</summary>
internal sealed class TablePrefix : PrefixEncoder
{
    private readonly Parameter _table;
    private readonly int _columns;

    public TablePrefix(AttachContext context, PrefixTuningConfig config) : base(config.NumVirtualTokens)
    {
        _columns = config.TokenDim!.Value;
        _table = context.NewParameter([Count, 2 * config.NumLayers!.Value * _columns]);
        context.Backend.FillNormal(_table.Value, 0, config.InitZero ? 0 : 1, context.Seed, 0);
    }

    public override IEnumerable<AdapterParameter> Parameters => [Named("embedding.weight", Key, _table)];

    public override IEnumerable<SavedEntry> Entries => Parameters.Select(SavedEntry.Of);

    public override (Tensor Keys, Tensor Values) Layer(int index) =>
        (_table.Value.Columns(2 * index * _columns, _columns), _table.Value.Columns((2 * index + 1) * _columns, _columns));
}

/// <summary>tanh(E·W₀ᵀ + b₀)·W₂ᵀ + b₂ with a table E (tokens, key columns); W₂ makes the keys and values of all layers.</summary>
internal sealed class ProjectedPrefix : PrefixEncoder
{
    private readonly NamedParameters _weights;
    private readonly Parameter _table;
    private readonly Func<Tensor, Tensor> _inner;
    private readonly Parameter _outer;
    private readonly Parameter _outerBias;
    private readonly int _columns;

    public ProjectedPrefix(AttachContext context, PrefixTuningConfig config) : base(config.NumVirtualTokens)
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

    public override (Tensor Keys, Tensor Values) Layer(int index)
    {
        var both = Hidden().Linear(_outer.Value.Slice(2 * index * _columns, 2 * _columns),
            _outerBias.Value.Slice(2 * index * _columns, 2 * _columns));
        return (both.Columns(0, _columns), both.Columns(_columns, _columns));
    }

    private Tensor Hidden() => _inner(_table.Value).Activate<Tanh>();
}
