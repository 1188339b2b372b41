using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Lora;

/// <summary>LoRA on the fused matrices of experts, which PEFT's target_parameters names: Wₑ + s·Bₑ·Aₑ for each expert e, from two matrices:
/// A (experts·r, in), whose rows are those of one expert after the other, and B (out, r·experts), whose neighbouring columns belong to
/// different experts. <see cref="RaggedLinearOp"/> computes x·Wₑᵀ + s·(x·Aₑᵀ)·Bₑᵀ; ΔW is formed only by a merge.</summary>
internal sealed class LoraExpertLayer : LayerAdapter
{
    private readonly ExpertLinear _layer;
    private readonly string _owner;
    private readonly int _rank;

    /// <summary>Creates the parameters of one fused matrix and initialises them.</summary>
    /// <param name="context">Creates the parameters and frees them if attaching fails.</param>
    /// <param name="config">The hyperparameters.</param>
    /// <param name="target">The parameter.</param>
    /// <param name="site">Index of the layer, which selects the random streams of the initial values.</param>
    /// <exception cref="BadInputException">Rank or α is invalid for the layer.</exception>
    public LoraExpertLayer(AttachContext context, LoraConfig config, ExpertTarget target, ulong site)
    {
        _layer = target.Layer;
        _owner = target.Owner;
        _rank = LoraChecks.RankOf(context, config, target.Path, Math.Min(_layer.Inputs, _layer.Outputs));
        Scale = LoraChecks.ScaleOf(config, target.Path, _rank);
        A = context.NewParameter([_layer.Experts * _rank, _layer.Inputs]);
        B = context.NewParameter([_layer.Outputs, _rank * _layer.Experts]);
        switch (config.Init)
        {
            case LoraInit.Gaussian:
                A.Value.Backend.FillNormal(A.Value, 0, 1f / _rank, context.Seed, 2 * site);
                B.Zero();
                break;
            case LoraInit.Random:
                KaimingInit.FillBoth(A, B, context.Seed, 2 * site);
                break;
            default:
                KaimingInit.Fill(A, B, context.Seed, 2 * site);
                break;
        }
    }

    /// <summary>(experts·r, in)</summary>
    public Parameter A { get; }

    /// <summary>(out, r·experts)</summary>
    public Parameter B { get; }

    /// <summary>s</summary>
    public float Scale { get; }

    public override IEnumerable<AdapterParameter> Parameters
    {
        get
        {
            string name = AdapterParameter.Prefix + _owner;
            yield return new("", name + ".lora_A.{0}.weight", name + ".lora_A.weight", A, IsWhole: true);
            yield return new("", name + ".lora_B.{0}.weight", name + ".lora_B.weight", B, IsWhole: true);
        }
    }

    public override IEnumerable<LowRankUpdate> LowRankUpdates()
    {
        int experts = _layer.Experts;
        var a = A.Value.Reshape([experts, _rank, _layer.Inputs]);
        var b = B.Value.Reshape([_layer.Outputs * _rank, experts]).Transpose().Reshape([experts, _layer.Outputs, _rank]);
        return [new LowRankUpdate(a, b, Scale)];
    }

    /// <summary>Wₑ += s·Bₑ·Aₑ.</summary>
    public override bool Merge(Tensor weight, Tensor? bias, Tensor? plain)
    {
        int experts = _layer.Experts, inputs = _layer.Inputs, outputs = _layer.Outputs;
        var each = _layer.Transposed ? new MatrixStrides(inputs * outputs, 1, outputs) : new MatrixStrides(inputs * outputs, inputs, 1);
        var product = new BatchedProduct(experts, outputs, _rank, inputs, new MatrixStrides(1, _rank * experts, experts),
            new MatrixStrides(_rank * inputs, inputs, 1), each, Scale, Accumulate: true);
        weight.Backend.MatMulBatched(product, B.Value, A.Value, weight);
        return false;
    }

    public override Tensor Forward(Tensor x) => throw OnSortedRows();

    public override Tensor AddTo(Tensor x, Tensor y) => throw OnSortedRows();

    private static NotSupportedException OnSortedRows() => new("experts run on rows sorted by expert: see ExpertLinear");
}

/// <summary>A parameter that target_parameters selects.</summary>
/// <param name="Path">Its path, such as "model.layers.0.mlp.experts.gate_up_proj".</param>
/// <param name="Layer">The layer that holds it.</param>
/// <param name="Owner">The path that its adapter has in PEFT: that of the module, with ".base_layer" for each further parameter of the
/// module whose wrapper PEFT puts around this one's.</param>
internal sealed record ExpertTarget(string Path, ExpertLinear Layer, string Owner)
{
    /// <summary>The parameters that a configuration selects: those whose path is one of the names or ends in it.</summary>
    /// <exception cref="BadInputException">A name selects nothing, or an option excludes such parameters.</exception>
    public static IReadOnlyList<ExpertTarget> Of(AttachContext context, LoraConfig config)
    {
        if (config.TargetParameters is not { Count: > 0 } names)
        {
            return [];
        }
        Refuse(config);
        var all = new List<(string Path, ExpertLinear Layer)>();
        foreach (var (path, module) in context.Base.NamedModules())
        {
            if (module is ExpertLinear experts)
            {
                all.Add((path, experts));
            }
        }
        foreach (string name in names)
        {
            if (!all.Exists(module => IsNamed(module.Path, name)))
            {
                throw new BadInputException(
                    $"target_parameters: no fused matrix of experts in this {context.Base.ModelType} model is called " +
                    $"\"{name}\"; " + (all.Count == 0 ? "it has none: name linear layers in target_modules"
                        : $"it has {string.Join(", ", all.Select(module => LastTwo(module.Path)).Distinct())}"));
            }
        }
        return [.. all.Where(module => names.Any(name => IsNamed(module.Path, name))).GroupBy(module => OwnerOf(module.Path))
            .SelectMany(group => group.Select((module, i) => new ExpertTarget(module.Path, module.Layer,
                group.Key + string.Concat(Enumerable.Repeat(".base_layer", group.Count() - 1 - i)))))];
    }

    private static void Refuse(LoraConfig config)
    {
        string? problem = config switch
        {
            { Dropout: > 0 } => "lora_dropout is not 0, but the update of a parameter has no input to drop from; set it to 0",
            { LoraBias: true } => "lora_bias has no place in the update of a parameter; turn it off",
            { UseDora: true } => "use_dora works on modules only; turn it off",
            { FanInFanOut: true } => "fan_in_fan_out belongs to modules; set it to false",
            { LayersToTransform.Count: > 0 } =>
                "layers_to_transform does not choose among parameters; name their full paths in target_parameters instead",
            { Init: not (LoraInit.Default or LoraInit.Random or LoraInit.Gaussian) } =>
                $"init_lora_weights is {config.InitName}; parameters can have true, false and gaussian",
            _ => null,
        };
        if (problem is not null)
        {
            throw new BadInputException("target_parameters: " + problem);
        }
    }

    private static bool IsNamed(string path, string name) => path == name || path.EndsWith("." + name, StringComparison.Ordinal);

    private static string OwnerOf(string path) => path[..path.LastIndexOf('.')];

    private static string LastTwo(string path) => path[(path[..path.LastIndexOf('.')].LastIndexOf('.') + 1)..];
}
