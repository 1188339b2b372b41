using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Bottlenecks;

/// <summary>One bottleneck adapter at a residual sum x + h of stream x and sublayer output h: f(u) = s·(W₂·φ(W₁·u + b₁) + b₂), with hidden
/// size hidden/reduction. Sequential (Houlsby et al. 2019; Pfeiffer et al. 2021): u is h or x + h. Parallel (He et al. 2022): u is
/// x.</summary>
internal sealed class Bottleneck : ResidualAdapter
{
    private const float NormEpsilon = 1e-5f;
    private const float BertDeviation = 0.02f;
    private const float HoulsbyDeviation = 0.01f;

    private static readonly Dictionary<string, Func<Tensor, Tensor>> Activations = new(StringComparer.Ordinal)
    {
        ["relu"] = x => x.Activate<Relu>(),
        ["gelu"] = x => x.Activate<Gelu>(),
        ["gelu_new"] = x => x.Activate<GeluTanh>(),
        ["quick_gelu"] = x => x.Activate<QuickGelu>(),
        ["swish"] = x => x.Activate<Silu>(),
        ["silu"] = x => x.Activate<Silu>(),
        ["tanh"] = x => x.Activate<Tanh>(),
        ["sigmoid"] = x => x.Activate<Sigmoid>(),
        ["relu2"] = x => x.Activate<ReluSquared>(),
    };

    private readonly BottleneckConfig _config;
    private readonly NamedParameters _parameters;
    private readonly Func<Tensor, Tensor> _down;
    private readonly Func<Tensor, Tensor> _up;
    private readonly Func<Tensor, Tensor>? _normBefore;
    private readonly Func<Tensor, Tensor>? _normAfter;
    private readonly Func<Tensor, Tensor>? _gate;
    private readonly Parameter? _scaling;
    private readonly LayerDropout _dropout;

    /// <param name="context">Creates the parameters.</param>
    /// <param name="config">Hyperparameters.</param>
    /// <param name="hidden">Size of a hidden state.</param>
    /// <param name="width">Hidden size of the bottleneck.</param>
    /// <param name="number">Index of the bottleneck in the model, which selects its random stream.</param>
    public Bottleneck(AttachContext context, BottleneckConfig config, int hidden, int width, int number)
    {
        const ulong StreamsEach = 16;
        (_config, _dropout) = (config, new LayerDropout(context.Base.Mode, (float)config.Dropout, LayerDropout.FirstSiteAfterLayers +
            (ulong)number));
        _parameters = new NamedParameters(context, (ulong)number * StreamsEach);
        _normBefore = config.LnBefore ? Norm("adapter_norm_before", hidden) : null;
        _down = Map("adapter_down", hidden, width, isUp: false);
        _up = Map("adapter_up", width, hidden, isUp: true);
        _normAfter = config.LnAfter ? Norm("adapter_norm_after", hidden) : null;
        _gate = config.UseGating ? Affine("gate", _parameters.Normal("gate.weight", [1, hidden], BertDeviation), 1) : null;
        _scaling = config.Scaling == BottleneckScaling.Constant ? null
            : _parameters.Constant("scaling", [config.Scaling == BottleneckScaling.Channel ? hidden : 1], 1);
    }

    public static IEnumerable<string> NonLinearities => Activations.Keys;

    public override IEnumerable<AdapterParameter> Parameters =>
        _parameters.All.Select(p => new AdapterParameter("", "{0}." + p.Name, p.Name, p.Parameter));

    public override Tensor Add(Tensor stream, Tensor output)
    {
        using var scope = new TensorScope();
        var input = _config.IsParallel ? stream : _config.OriginalLnBefore ? stream + output : output;
        var y = Run(input);
        if (_config.IsParallel)
        {
            y = (_normAfter is null ? y : _normAfter(y)) + output;
        }
        else
        {
            var residual = _config.ResidualBeforeLn switch
            {
                BottleneckResidual.BeforeNorm => output,
                BottleneckResidual.PostAdd => stream + output,
                _ => input,
            };
            y = _normAfter is null ? y + residual : _config.AdapterResidualBeforeLn ? _normAfter(y + residual) : _normAfter(y) + residual;
        }
        return scope.Return(_config.OriginalLnAfter ? y + stream : y);
    }

    private Tensor Run(Tensor input)
    {
        var x = _normBefore is null ? input : _normBefore(input);
        var y = Scaled(_up(Activations[_config.NonLinearity](_down(x)))).Dropout(_dropout.Now);
        return _gate is null ? y : y * GateOf(input);
    }

    private Tensor Scaled(Tensor y) => _config.Scaling switch
    {
        BottleneckScaling.Channel => y.MultiplyRow(_scaling!.Value),
        BottleneckScaling.Learned => y.MultiplyRow(_scaling!.Value.Reshape([1, 1]).MatMul(Filled(y, [1, y.Shape.Columns], 1))
            .Reshape([y.Shape.Columns])),
        _ => _config.ScalingFactor == 1 ? y : y * (float)_config.ScalingFactor,
    };

    /// <summary>The gate: the mean of σ(w·x + b) over each sequence, one number per sequence, broadcast to (batch, length,
    /// hidden).</summary>
    private Tensor GateOf(Tensor x)
    {
        int batch = x.Shape[0], length = x.Shape[1];
        var open = _gate!(x).Activate<Sigmoid>().Reshape([batch, length]);
        var mean = open.MatMul(Filled(x, [length, 1], 1f / length)); // (B, 1)
        var ids = x.Backend.From([.. Enumerable.Range(0, batch * length).Select(row => row / length)], [batch * length]);
        return mean.Rows(ids).MatMul(Filled(x, [1, x.Shape.Columns], 1)).Cast(x.DType).Reshape(x.Shape);
    }

    private Func<Tensor, Tensor> Map(string name, int inputs, int outputs, bool isUp)
    {
        var weight = (_config.InitWeights, isUp) switch
        {
            (BottleneckInit.MamAdapter, true) => _parameters.Constant(name + ".weight", [outputs, inputs], 0),
            (BottleneckInit.MamAdapter, false) => _parameters.Uniform(name + ".weight", [outputs, inputs], 1 / MathF.Sqrt(inputs)),
            (BottleneckInit.Houlsby, _) => _parameters.TruncatedNormal(name + ".weight", [outputs, inputs], HoulsbyDeviation),
            _ => _parameters.Normal(name + ".weight", [outputs, inputs], BertDeviation),
        };
        return Affine(name, weight, outputs);
    }

    private Func<Tensor, Tensor> Affine(string name, Parameter weight, int outputs)
    {
        var bias = _parameters.Constant(name + ".bias", [outputs], 0);
        return x => x.Linear(weight.Value, bias.Value);
    }

    private Func<Tensor, Tensor> Norm(string name, int columns)
    {
        Parameter weight = _parameters.Constant(name + ".weight", [columns], 1), bias = _parameters.Constant(name + ".bias", [columns], 0);
        return x => x.LayerNorm(weight.Value, bias.Value, NormEpsilon);
    }

    private static Tensor Filled(Tensor like, Shape shape, float value) =>
        like.Backend.From([.. Enumerable.Repeat(value, (int)shape.Count)], shape);
}
