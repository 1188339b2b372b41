using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Optim;

/// <summary>LoRA-FA (Zhang et al. 2023, "LoRA-FA: Memory-efficient Low-rank Adaptation for Large Language Models Fine-tuning", arXiv
/// 2308.03303): A is frozen and B trains. B's gradient g (out, r) is projected, so that s·ĝ·A is as near as possible to the gradient of the
/// whole weight, and Adam steps with the projection, as in Hugging Face PEFT's LoraFAOptimizer:
/// ĝ = g·(A·Aᵀ + δI)⁺/s²; m ← β₁m + (1 − β₁)ĝ; v ← β₂v + (1 − β₂)ĝ²; p ← (p − lr·√(1 − β₂ᵗ)/(1 − β₁ᵗ)·m/(√v + ε))·(1 − lr·λ).
/// Other parameters take the same step with their own gradients.</summary>
internal sealed class LoraFa : Optimizer
{
    private readonly float _beta1, _beta2, _epsilon;
    private readonly Dictionary<Parameter, (FactorPair Pair, Tensor Projection)> _projections = [];
    private bool _isProjected;

    /// <summary>Allocates two moments per parameter and a projection (r, r) per pair of factors.</summary>
    /// <param name="parameters">The trained parameters, by name; no A among them.</param>
    /// <param name="pairs">The factors of all layers. A must not change: it is read in the first step.</param>
    /// <param name="beta1">β₁ in [0, 1), the decay of the first moment.</param>
    /// <param name="beta2">β₂ in [0, 1), the decay of the second moment.</param>
    /// <param name="epsilon">ε above 0, added to the root of the second moment.</param>
    /// <param name="weightDecay">λ, the weight decay, of at least 0; in PEFT every parameter decays.</param>
    /// <param name="decays">Selects the parameters that decay; null for all.</param>
    /// <exception cref="BadInputException">A number is out of its range, or there is no parameter.</exception>
    public LoraFa(IReadOnlyList<(string Name, Parameter Parameter)> parameters, IReadOnlyList<FactorPair> pairs, float beta1 = 0.9f,
        float beta2 = 0.999f, float epsilon = 1e-8f, float weightDecay = 0, Func<string, Parameter, bool>? decays = null)
        : base(parameters, Hyperparameters.Checked(weightDecay, beta1, beta2, epsilon), decays, NewState(pairs))
    {
        (_beta1, _beta2, _epsilon) = (beta1, beta2, epsilon);
        foreach (var pair in pairs)
        {
            int rank = pair.A.Shape[0];
            var projection = pair.B.Value.Backend.Zeros([rank, rank], DType.F32, MemoryKind.Optimizer).Keep();
            _projections.Add(pair.B, (pair, projection));
        }
    }

    /// <summary>Whether ĝ is rounded to BF16 as in Hugging Face PEFT, which multiplies under autocast: with b for that rounding,
    /// ĝ = b(b(b(g)·b((A·Aᵀ + δI)⁺))/s²). F32 is nearer to the equation.</summary>
    public bool RoundsLikeReference { get; init; }

    /// <inheritdoc/>
    private protected override void Update(IReadOnlyList<ParameterState> states, float learningRate, float gradientScale)
    {
        using var scope = new TensorScope();
        if (!_isProjected)
        {
            // Not in the constructor: a resumed run loads A after it.
            ComputeProjections();
        }
        var gradients = Projected(states);
        var tensors = new AdamW8BitTensors[states.Count];
        for (int i = 0; i < tensors.Length; i++)
        {
            var state = states[i];
            // The kernel multiplies ε by √(1 − β₂ᵗ), as bitsandbytes does; here ε is added to √v itself.
            float epsilon = (float)(_epsilon / Math.Sqrt(1 - Math.Pow(_beta2, state.Steps)));
            var step = new Optimizers.AdamW(learningRate, _beta1, _beta2, epsilon, state.WeightDecay, state.Steps);
            tensors[i] = new AdamW8BitTensors(step, state.Parameter.Value, gradients[i], state.Moments[0].Value, state.Moments[1].Value,
                Scales: null);
        }
        tensors[0].Parameter.Backend.AdamW8Bit(tensors, gradientScale);
    }

    /// <inheritdoc/>
    private protected override void DisposeConstants()
    {
        foreach (var (_, projection) in _projections.Values)
        {
            projection.Dispose();
        }
    }

    /// <summary>The gradient of each parameter, that of a factor B times its projection.</summary>
    private Tensor[] Projected(IReadOnlyList<ParameterState> states)
    {
        var gradients = new Tensor[states.Count];
        using var gemms = GroupedGemm.On(states[0].Parameter.Value.Backend);
        for (int i = 0; i < gradients.Length; i++)
        {
            var gradient = states[i].Parameter.Gradient!;
            if (_projections.TryGetValue(states[i].Parameter, out var found))
            {
                gradients[i] = gradient.NewLike(gradient.Shape, DType.F32, MemoryKind.Workspace);
                var operand = RoundsLikeReference ? Rounded(gradient) : gradient;
                gemms.Add(gradients[i], null, false, 1, new GemmOperands(operand, false, found.Projection, false));
            }
            else
            {
                gradients[i] = gradient;
            }
        }
        gemms.Run();
        for (int i = 0; RoundsLikeReference && i < gradients.Length; i++)
        {
            if (_projections.TryGetValue(states[i].Parameter, out var found))
            {
                var product = Rounded(gradients[i]);
                product.Backend.Scale(product, (float)InverseSquare(found.Pair.Scale), gradients[i], accumulate: false);
                gradients[i] = Rounded(gradients[i]);
            }
        }
        return gradients;
    }

    /// <summary>A copy of F32 numbers, each rounded to BF16.</summary>
    private static Tensor Rounded(Tensor values)
    {
        var rounded = values.NewLike(values.Shape, DType.F32, MemoryKind.Workspace);
        using var narrow = values.NewLike(values.Shape, DType.BF16, MemoryKind.Workspace);
        values.Backend.Cast(values, narrow);
        values.Backend.Cast(narrow, rounded);
        return rounded;
    }

    private static double InverseSquare(float scale) => 1 / ((double)scale * scale);

    private void ComputeProjections()
    {
        foreach (var (pair, projection) in _projections.Values)
        {
            int rank = pair.A.Shape[0];
            if (projection.Backend.IsMeta)
            {
                continue; // A plan has no numbers to invert.
            }
            double factor = RoundsLikeReference ? 1 : InverseSquare(pair.Scale); // PEFT divides the rounded product.
            projection.Upload<float>(GramInverse.Of(pair.A.Value.ToArray<float>(), rank, factor));
            if (RoundsLikeReference)
            {
                projection.Backend.Copy(Rounded(projection), projection);
            }
        }
        _isProjected = true;
    }

    /// <summary>Moments of the parameter's shape, with PEFT's names: those of a factor B end in "_B".</summary>
    private static Func<Parameter, StateMemory, StateTensors> NewState(IReadOnlyList<FactorPair> pairs)
    {
        var factors = pairs.Select(pair => pair.B).ToHashSet();
        var (ofFactors, ofOthers) = (LikeParameter("exp_avg_B", "exp_avg_sq_B"), LikeParameter("exp_avg", "exp_avg_sq"));
        return (parameter, memory) => (factors.Contains(parameter) ? ofFactors : ofOthers)(parameter, memory);
    }
}
