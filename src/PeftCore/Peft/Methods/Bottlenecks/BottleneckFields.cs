using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft.Bottlenecks;

/// <summary>The fields of a bottleneck's adapter_config.json.</summary>
internal static class BottleneckFields
{
    private static readonly string[] Unsupported = ["phm_layer", "inv_adapter", "cross_adapter", "stochastic_depth"];

    public static BottleneckConfig Read(ConfigReader config)
    {
        foreach (string name in Unsupported)
        {
            if (config.Raw(name) is { ValueKind: not JsonValueKind.False } value
                && !(value.ValueKind == JsonValueKind.Number && value.GetDouble() == 0))
            {
                throw config.Error(name, "asks for a variant of bottleneck adapters that is not supported");
            }
        }
        var start = BottleneckConfig.Of(config.Choice("architecture", "seq_bn", "seq_bn", "double_seq_bn", "par_bn"));
        var scaling = config.Raw("scaling");
        return start with
        {
            TaskType = config.StringOrNull("task_type"),
            BaseModelNameOrPath = config.StringOrNull("base_model_name_or_path"),
            Revision = config.StringOrNull("revision"),
            MhAdapter = config.Bool("mh_adapter", start.MhAdapter),
            OutputAdapter = config.Bool("output_adapter", start.OutputAdapter),
            ReductionFactor = Factor(config, start.ReductionFactor),
            ReductionFactors = Factors(config),
            NonLinearity = config.Choice("non_linearity", start.NonLinearity, [.. Bottleneck.NonLinearities]),
            OriginalLnBefore = config.Bool("original_ln_before", start.OriginalLnBefore),
            OriginalLnAfter = config.Bool("original_ln_after", start.OriginalLnAfter),
            LnBefore = config.Bool("ln_before", start.LnBefore),
            LnAfter = config.Bool("ln_after", start.LnAfter),
            InitWeights = config.Choice("init_weights", Name(start.InitWeights), "bert", "mam_adapter", "houlsby") switch
            {
                "mam_adapter" => BottleneckInit.MamAdapter,
                "houlsby" => BottleneckInit.Houlsby,
                _ => BottleneckInit.Bert,
            },
            IsParallel = config.Bool("is_parallel", start.IsParallel),
            Scaling = scaling is not { ValueKind: JsonValueKind.String } ? BottleneckScaling.Constant
                : config.Choice("scaling", null, "learned", "channel") == "learned" ? BottleneckScaling.Learned : BottleneckScaling.Channel,
            ScalingFactor = scaling is { ValueKind: JsonValueKind.String } ? 1 : config.Float("scaling", start.ScalingFactor),
            UseGating = config.Bool("use_gating", false),
            ResidualBeforeLn = config.Raw("residual_before_ln") switch
            {
                { ValueKind: JsonValueKind.String } when config.Choice("residual_before_ln", null, "post_add") == "post_add" =>
                    BottleneckResidual.PostAdd,
                _ => config.Bool("residual_before_ln", true) ? BottleneckResidual.BeforeNorm : BottleneckResidual.AfterNorm,
            },
            AdapterResidualBeforeLn = config.Bool("adapter_residual_before_ln", false),
            LeaveOut = config.IntsOrNull("leave_out") ?? [],
            Dropout = config.Float("dropout", 0, min: 0, max: 1),
        };
    }

    public static void Write(BottleneckConfig config, JsonObject json)
    {
        json["architecture"] = config.Architecture;
        json["mh_adapter"] = config.MhAdapter;
        json["output_adapter"] = config.OutputAdapter;
        json["reduction_factor"] = config.ReductionFactors.Count == 0 ? ConfigFields.Number(config.ReductionFactor)
            : new JsonObject(config.ReductionFactors.OrderBy(pair => pair.Key)
                .Select(pair => KeyValuePair.Create(pair.Key.ToString(CultureInfo.InvariantCulture),
                    (JsonNode?)ConfigFields.Number(pair.Value)))
                .Append(new("default", ConfigFields.Number(config.ReductionFactor))));
        json["non_linearity"] = config.NonLinearity;
        json["original_ln_before"] = config.OriginalLnBefore;
        json["original_ln_after"] = config.OriginalLnAfter;
        json["ln_before"] = config.LnBefore;
        json["ln_after"] = config.LnAfter;
        json["init_weights"] = Name(config.InitWeights);
        json["is_parallel"] = config.IsParallel;
        json["scaling"] = config.Scaling switch
        {
            BottleneckScaling.Learned => "learned",
            BottleneckScaling.Channel => "channel",
            _ => PeftConfig.Float(config.ScalingFactor),
        };
        json["use_gating"] = config.UseGating;
        json["residual_before_ln"] = config.ResidualBeforeLn == BottleneckResidual.PostAdd ? "post_add"
            : config.ResidualBeforeLn == BottleneckResidual.BeforeNorm;
        json["adapter_residual_before_ln"] = config.AdapterResidualBeforeLn;
        json["leave_out"] = new JsonArray([.. config.LeaveOut.Select(block => JsonValue.Create(block))]);
        json["dropout"] = PeftConfig.Float(config.Dropout);
    }

    public static void Check(BottleneckConfig config, int blocks)
    {
        string? problem = config switch
        {
            { MhAdapter: false, OutputAdapter: false } =>
                "mh_adapter and output_adapter are both false, so there is nothing to train; turn one on",
            _ when config.ReductionFactors.Values.Append(config.ReductionFactor).Any(factor => !(factor > 0) || !double.IsFinite(factor)) =>
                "reduction_factor must be a number above 0",
            { Dropout: not (>= 0 and < 1) } => $"dropout is {config.Dropout}; it must be at least 0 and below 1",
            _ when !Bottleneck.NonLinearities.Contains(config.NonLinearity) =>
                $"non_linearity is \"{config.NonLinearity}\"; there are {string.Join(", ", Bottleneck.NonLinearities)}",
            _ when config.LeaveOut.Concat(config.ReductionFactors.Keys).FirstOrDefault(block => block < 0 || block >= blocks,
                -1) is var stranger && (stranger >= 0 || config.LeaveOut.Contains(-1)) =>
                $"leave_out and reduction_factor name block {stranger}, but the model has {blocks}, counted from 0",
            _ when config.LeaveOut.Distinct().Count() == blocks => "leave_out names every block, so there is nothing to train",
            _ => null,
        };
        if (problem is not null)
        {
            throw new BadInputException(problem);
        }
    }

    private static double Factor(ConfigReader config, double fallback) =>
        config.Raw("reduction_factor") is { ValueKind: JsonValueKind.Object }
        ? config.Object("reduction_factor").Float("default", fallback)
        : config.Float("reduction_factor", fallback);

    private static Dictionary<int, double> Factors(ConfigReader config)
    {
        var factors = new Dictionary<int, double>();
        if (config.Raw("reduction_factor") is { ValueKind: JsonValueKind.Object })
        {
            var table = config.Object("reduction_factor");
            foreach (string name in table.Names.Where(name => name != "default"))
            {
                factors[NumberText.TryDigits(name, out int block) ? block
                    : throw table.Error(name, "is no number of a block; blocks count from 0, \"default\" stands for the others")] =
                    table.Float(name);
            }
        }
        return factors;
    }

    private static string Name(BottleneckInit init) => init switch
    {
        BottleneckInit.MamAdapter => "mam_adapter",
        BottleneckInit.Houlsby => "houlsby",
        _ => "bert",
    };
}
