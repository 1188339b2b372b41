using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Lora;

/// <summary>LoRA on one linear layer (Hu et al. 2021, equation 3): y = x·Wᵀ + b + s·(dropout(x)·Aᵀ)·Bᵀ with A (r, in), B (out, r) and s =
/// α/r, or α/√r in rsLoRA (Kalajdzievski 2023). W and b are frozen. On a convolution the patches of x take the place of x, so that A is a
/// kernel of r outputs and B a 1 × 1 kernel. <see cref="LowRankLinearOp"/> and <see cref="ConvolutionOp"/> compute y and the gradients;
/// ΔW = s·B·A is formed only by a merge. Initialisations that subtract directions from W (PiSSA, OLoRA, CorDA, LoRA-GA) leave W unchanged,
/// and the layer subtracts the update s·B₀·A₀ of the initial factors.</summary>
internal sealed class LoraLayer : LayerAdapter
{
    private readonly MatrixLayer _layer;
    private readonly LayerDropout _dropout;
    private readonly Dora? _dora;

    public override Tensor Forward(Tensor x) => _dora is null
        ? _layer.WithUpdates(x, _layer.Bias?.Value, Updates(_dropout.Now))
        : _dora.Forward(x, Updates(default), _dropout.Now);

    /// <summary>s·B·A, and −s·B₀·A₀ if the initial factors are subtracted from W.</summary>
    private LowRankUpdate[] Updates(DropoutKey dropout)
    {
        var update = new LowRankUpdate(MatrixLayer.MatrixOf(A.Value), MatrixLayer.MatrixOf(B.Value), Scale, BiasOfB?.Value, dropout);
        return FrozenInitialFactors is null ? [update] : [update, new(FrozenInitialFactors.A, FrozenInitialFactors.B, -Scale)];
    }

    /// <summary>W += ΔW, b += s·(bias of B).</summary>
    public override bool Merge(Tensor weight, Tensor? bias, Tensor? plain)
    {
        if (_dora is null)
        {
            AddDelta(weight);
        }
        else
        {
            _dora.Merge(weight, plain, AddDelta);
        }
        BiasOfB?.Value.Backend.Scale(BiasOfB.Value, Scale, bias!, accumulate: true);
        return BiasOfB is not null;
    }

    /// <summary>W (out, in) += s·B·A, or W (in, out) += s·Aᵀ·Bᵀ, for each update.</summary>
    private void AddDelta(Tensor weight)
    {
        foreach (var (a, b, scale, _, _, _) in Updates(default))
        {
            var (left, right) = _layer.Transposed ? (a, b) : (b, a);
            weight.Backend.MatMul(left, _layer.Transposed, right, _layer.Transposed, weight, scale, accumulate: true);
        }
    }

    /// <summary>Creates the parameters of one layer and initialises them by <see cref="LoraConfig.Init"/>.</summary>
    /// <param name="context">Creates the parameters and frees them if attaching fails.</param>
    /// <param name="config">The hyperparameters.</param>
    /// <param name="path">The layer's path, which selects rank and α by patterns.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="site">Index of the layer, which selects the random streams of the initial values and of dropout.</param>
    /// <exception cref="BadInputException">Rank or α is invalid for the layer, or the weight cannot be factored.</exception>
    public LoraLayer(AttachContext context, LoraConfig config, string path, MatrixLayer layer, ulong site)
    {
        int rank = LoraChecks.RankOf(context, config, path, Math.Min(layer.Inputs, layer.Outputs));
        _layer = layer;
        _dropout = new LayerDropout(layer, (float)config.Dropout, site);
        Scale = LoraChecks.ScaleOf(config, path, rank);
        A = context.NewParameter(layer.ShapeOfDown(rank));
        B = context.NewParameter(layer.ShapeOfUp(rank));
        BiasOfB = config.LoraBias ? context.NewParameter([layer.Outputs]).Zero() : null;
        _dora = config.UseDora ? new Dora(layer, context.NewParameter(layer.ShapeOfMagnitude)) : null;
        FrozenInitialFactors = LoraInitializer.Fill(context, config, path, layer, A, B, Scale, 2 * site);
        _dora?.Initialize(Updates(default));
    }

    /// <summary>(r, in), or (r, channels, kernel height, kernel width)</summary>
    public Parameter A { get; }

    /// <summary>(out, r), or (out, r, 1, 1)</summary>
    public Parameter B { get; }

    /// <summary>(out) added after B and scaled with it; null without "lora_bias".</summary>
    public Parameter? BiasOfB { get; }

    /// <summary>s</summary>
    public float Scale { get; }

    /// <summary>A₀ and B₀ if they are subtracted from W; null otherwise.</summary>
    public FrozenInitialFactors? FrozenInitialFactors { get; }

    public bool UsesDora => _dora is not null;

    public override IEnumerable<AdapterParameter> Parameters
    {
        get
        {
            yield return new("", "lora_A.{0}.weight", "lora_A.weight", A);
            yield return new("", "lora_B.{0}.weight", "lora_B.weight", B);
            if (BiasOfB is not null)
            {
                yield return new("", "lora_B.{0}.bias", "lora_B.bias", BiasOfB);
            }
            if (_dora is not null)
            {
                yield return new("", "lora_magnitude_vector.{0}.weight", "lora_magnitude_vector", _dora.Magnitude);
            }
        }
    }

    public override string? MergeProblem => BiasOfB is not null && _layer.Bias is null
        ? "its B has a bias, and the layer has none to merge it into"
        : null;

    public override IEnumerable<LowRankUpdate>? LowRankUpdates() => _dora is null ? Updates(_dropout.Now) : null;

    public override Tensor AddTo(Tensor x, Tensor y)
    {
        using var scope = new TensorScope();
        if (_dora is not null)
        {
            return scope.Return(y + (Forward(x) - _layer.Compute(x)));
        }
        foreach (var update in Updates(_dropout.Now))
        {
            y += LowRankAdapter.Apply(_layer, x, update);
        }
        return scope.Return(y);
    }

    public override void Free() => _dora?.Free();
}
