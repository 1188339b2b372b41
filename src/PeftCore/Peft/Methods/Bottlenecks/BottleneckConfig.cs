using System.Text.Json;

namespace PeftCore.Peft.Bottlenecks;

/// <summary>Hyperparameters of bottleneck adapters: small networks with residual connections between the layers of the base (Houlsby et al.
/// 2019). Fields and architectures have AdapterHub's names. The models here are pre-norm, so the options about the base's own norm only
/// select which residual sums are formed, as in AdapterHub.</summary>
public sealed record BottleneckConfig : PeftConfig
{
    private const string Unsupported = "asks for a variant of bottleneck adapters that is not supported";

    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<BottleneckConfig> Fields { get; } = new ConfigFields<BottleneckConfig>(new())
        .Refused("phm_layer", IsAsked, Unsupported)
        .Refused("inv_adapter", IsAsked, Unsupported)
        .Refused("cross_adapter", IsAsked, Unsupported)
        .Refused("stochastic_depth", IsAsked, Unsupported)
        // The other fields' defaults are those of the architecture, so it is read first.
        .Choice("architecture", c => c.Architecture, (_, v) => Of(v), "Architecture whose values the other fields default to.",
            ("seq_bn", "seq_bn"), ("double_seq_bn", "double_seq_bn"), ("par_bn", "par_bn"))
        .Common()
        .Bool("mh_adapter", c => c.MhAdapter, (c, v) => c with { MhAdapter = v }, "A bottleneck behind the attention of each block.")
        .Bool("output_adapter", c => c.OutputAdapter, (c, v) => c with { OutputAdapter = v },
            "A bottleneck behind the feed-forward network of each block.")
        .Add(BottleneckFields.ReductionFactor)
        .Add(BottleneckFields.NonLinearity)
        .Bool("original_ln_before", c => c.OriginalLnBefore, (c, v) => c with { OriginalLnBefore = v },
            "The bottleneck reads the sum of the residual stream and the sublayer's output, not the output alone.")
        .Bool("original_ln_after", c => c.OriginalLnAfter, (c, v) => c with { OriginalLnAfter = v },
            "The residual stream is added behind the bottleneck.")
        .Bool("ln_before", c => c.LnBefore, (c, v) => c with { LnBefore = v }, "A new norm before the bottleneck.")
        .Bool("ln_after", c => c.LnAfter, (c, v) => c with { LnAfter = v }, "A new norm behind the bottleneck.")
        .Choice("init_weights", c => c.InitWeights, (c, v) => c with { InitWeights = v },
            "Initialisation: bert and houlsby start near the base, mam_adapter at it.",
            ("bert", BottleneckInit.Bert), ("mam_adapter", BottleneckInit.MamAdapter), ("houlsby", BottleneckInit.Houlsby))
        .Bool("is_parallel", c => c.IsParallel, (c, v) => c with { IsParallel = v },
            "The bottleneck runs beside the sublayer on the same input, not behind it.")
        .Add(BottleneckFields.Scaling)
        .Bool("use_gating", c => c.UseGating, (c, v) => c with { UseGating = v },
            "A trained gate: the mean over the sequence of a sigmoid.")
        .Add(BottleneckFields.ResidualBeforeLn)
        .Bool("adapter_residual_before_ln", c => c.AdapterResidualBeforeLn, (c, v) => c with { AdapterResidualBeforeLn = v },
            "That is added before the new norm rather than behind it.")
        .Ints("leave_out", c => c.LeaveOut, (c, v) => c with { LeaveOut = v }, "Numbers of the blocks without a bottleneck, from 0.")
        .Fraction("dropout", c => c.Dropout, (c, v) => c with { Dropout = v }, "Dropout probability of the bottleneck's output.");

    /// <summary>The architecture that gives the defaults of the other fields: "seq_bn", "double_seq_bn" or "par_bn".</summary>
    internal string Architecture { get; init; } = "seq_bn";

    /// <summary>Whether each block has a bottleneck after attention.</summary>
    internal bool MhAdapter { get; init; }

    /// <summary>Whether each block has a bottleneck after the feed-forward network.</summary>
    internal bool OutputAdapter { get; init; } = true;

    /// <summary>Hidden size of the model divided by that of the bottleneck.</summary>
    public double ReductionFactor { get; init; } = 16;

    /// <summary>Reduction factors of individual blocks, by block index from 0.</summary>
    internal IReadOnlyDictionary<int, double> ReductionFactors { get; init; } = new Dictionary<int, double>();

    /// <summary>The activation φ between the two projections: relu, gelu, gelu_new, quick_gelu, swish (or silu), tanh, sigmoid,
    /// relu2.</summary>
    public string NonLinearity { get; init; } = "relu";

    /// <summary>Whether the bottleneck's input is the sum of the residual stream and the sublayer's output, not the output alone.</summary>
    internal bool OriginalLnBefore { get; init; } = true;

    /// <summary>Whether the residual stream is added after the bottleneck.</summary>
    internal bool OriginalLnAfter { get; init; } = true;

    /// <summary>Whether a new, trained norm precedes the bottleneck.</summary>
    internal bool LnBefore { get; init; }

    /// <summary>Whether a new, trained norm follows the bottleneck.</summary>
    internal bool LnAfter { get; init; }

    /// <summary>Initialisation of the projections.</summary>
    internal BottleneckInit InitWeights { get; init; }

    /// <summary>Whether the bottleneck reads the same residual stream as the sublayer (parallel), not the sublayer's output
    /// (sequential).</summary>
    internal bool IsParallel { get; init; }

    /// <summary>The kind of factor s on the output.</summary>
    public BottleneckScaling Scaling { get; init; }

    /// <summary>s, if <see cref="Scaling"/> is <see cref="BottleneckScaling.Constant"/>.</summary>
    internal double ScalingFactor { get; init; } = 1;

    /// <summary>Whether a trained gate multiplies the output: the mean of a sigmoid over the sequence.</summary>
    internal bool UseGating { get; init; }

    /// <summary>The residual that is added to the output of a sequential bottleneck.</summary>
    internal BottleneckResidual ResidualBeforeLn { get; init; }

    /// <summary>Whether that residual is added before the new norm instead of after it.</summary>
    internal bool AdapterResidualBeforeLn { get; init; }

    /// <summary>Indices of the blocks without a bottleneck, from 0.</summary>
    internal IReadOnlyList<int> LeaveOut { get; init; } = [];

    /// <summary>Dropout probability of the bottleneck's output.</summary>
    public double Dropout { get; init; }

    /// <summary>One bottleneck per block, after the feed-forward network (Pfeiffer et al. 2021).</summary>
    public static BottleneckConfig SeqBn { get; } = new();

    /// <summary>Two bottlenecks per block, after attention and after the feed-forward network (Houlsby et al. 2019).</summary>
    public static BottleneckConfig DoubleSeqBn { get; } = new()
    {
        Architecture = "double_seq_bn", MhAdapter = true, NonLinearity = "swish", OriginalLnBefore = false,
    };

    /// <summary>One bottleneck per block, parallel to the feed-forward network (He et al. 2022).</summary>
    public static BottleneckConfig ParBn { get; } = new()
    {
        Architecture = "par_bn", ReductionFactor = 2, OriginalLnBefore = false, InitWeights = BottleneckInit.MamAdapter, IsParallel = true,
        ScalingFactor = 4,
    };

    internal override bool StartsAsBase => InitWeights == BottleneckInit.MamAdapter && IsParallel && !LnAfter && OriginalLnAfter;

    /// <summary>The defaults of an architecture.</summary>
    internal static BottleneckConfig Of(string architecture) => architecture switch
    {
        "double_seq_bn" => DoubleSeqBn,
        "par_bn" => ParBn,
        _ => SeqBn,
    };

    /// <summary>Whether a field turns an unsupported variant on: its value is neither false nor 0.</summary>
    private static bool IsAsked(JsonElement value) =>
        value.ValueKind != JsonValueKind.False && !(value.ValueKind == JsonValueKind.Number && value.GetDouble() == 0);

    internal override Adapter AttachTo(AttachContext context)
    {
        BottleneckFields.Check(this, context.Base.BlockCount);
        if (context.Base.BlockCount == 0)
        {
            throw new BadInputException($"bottlenecks go into the blocks of a model, but {context.Base.ModelType} models are no sequence " +
                "of blocks; choose a method that changes layers, such as LoRA");
        }
        var adapter = context.NewAdapter(this);
        for (int block = 0; block < context.Base.BlockCount; block++)
        {
            if (LeaveOut.Contains(block))
            {
                continue;
            }
            var sums = context.Base.ResidualsOf(block);
            if (adapter.Residuals.Exists(residual => residual.Place == sums.Attention || residual.Place == sums.FeedForward))
            {
                throw new BadInputException($"the blocks of a {context.Base.ModelType} model share one set of layers, so that none can " +
                    "have a bottleneck of its own; choose a method that changes layers, such as LoRA");
            }
            string path = context.Base.NamedModules().First(module => module.Module == sums.Block).Path;
            int hidden = context.Base.HiddenSizeOf(block);
            int width = Math.Max(1, (int)Math.Floor(hidden / ReductionFactors.GetValueOrDefault(block, ReductionFactor)));
            if (MhAdapter)
            {
                adapter.Residuals.Add(new(path + ".attention_adapters", sums.Attention,
                    new Bottleneck(context, this, hidden, width, 2 * block)));
            }
            if (MhAdapter && sums.CrossAttention is { } cross)
            {
                adapter.Residuals.Add(new(path + ".cross_attention_adapters", cross,
                    new Bottleneck(context, this, hidden, width, 2 * (context.Base.BlockCount + block))));
            }
            if (OutputAdapter)
            {
                adapter.Residuals.Add(new(path + ".output_adapters", sums.FeedForward,
                    new Bottleneck(context, this, hidden, width, 2 * block + 1)));
            }
        }
        return adapter;
    }
}
