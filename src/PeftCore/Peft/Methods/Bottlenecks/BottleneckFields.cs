using System.Globalization;
using System.Text.Json;
using PeftCore.Io;

namespace PeftCore.Peft.Bottlenecks;

/// <summary>Fields of a bottleneck's adapter_config.json that take more than one form, and checks that need the model.</summary>
internal static class BottleneckFields
{
    /// <summary>One number, or an object from block numbers to numbers with a "default" for the others.</summary>
    public static FieldRow<BottleneckConfig> ReductionFactor { get; } = new("reduction_factor",
        "number > 0, or object of numbers by block and \"default\"",
        "Hidden size of the model divided by that of the bottleneck.",
        (c, reader) => c with { ReductionFactor = Factor(reader, c.ReductionFactor), ReductionFactors = Factors(reader) },
        c => c.ReductionFactors.Count == 0 ? FieldKinds.ToJson(c.ReductionFactor)
            : FieldKinds.ToJson(c.ReductionFactors.OrderBy(pair => pair.Key)
                .Select(pair => KeyValuePair.Create(pair.Key.ToString(CultureInfo.InvariantCulture), pair.Value))
                .Append(new("default", c.ReductionFactor)), FieldKinds.ToJson));

    /// <summary>The name of an activation.</summary>
    public static FieldRow<BottleneckConfig> NonLinearity { get; } = new("non_linearity", string.Join(", ", Bottleneck.NonLinearities),
        "Activation between the two maps.",
        (c, reader) => c with { NonLinearity = reader.Choice("non_linearity", c.NonLinearity, [.. Bottleneck.NonLinearities]) },
        c => c.NonLinearity);

    /// <summary>A number, or the name of a factor that trains.</summary>
    public static FieldRow<BottleneckConfig> Scaling { get; } = new("scaling", "number, learned or channel",
        "Factor of the bottleneck's output: a constant, or trained, one number or one a column.",
        (c, reader) => reader.Raw("scaling") is not { ValueKind: JsonValueKind.String }
            ? c with { ScalingFactor = reader.Float("scaling", c.ScalingFactor) }
            : c with
            {
                ScalingFactor = 1,
                Scaling = reader.Choice("scaling", null, "learned", "channel") == "learned" ? BottleneckScaling.Learned
                    : BottleneckScaling.Channel,
            },
        c => c.Scaling switch
        {
            BottleneckScaling.Learned => "learned",
            BottleneckScaling.Channel => "channel",
            _ => PeftConfig.Float(c.ScalingFactor),
        });

    /// <summary>A boolean, or the name of the third choice.</summary>
    public static FieldRow<BottleneckConfig> ResidualBeforeLn { get; } = new("residual_before_ln", "true, false or post_add",
        "What is added around a sequential bottleneck: true the sublayer's output, false the bottleneck's input, post_add the sum of " +
        "residual stream and output.",
        (c, reader) => c with
        {
            ResidualBeforeLn = reader.Raw("residual_before_ln") switch
            {
                { ValueKind: JsonValueKind.String } when reader.Choice("residual_before_ln", null, "post_add") == "post_add" =>
                    BottleneckResidual.PostAdd,
                _ => reader.Bool("residual_before_ln", true) ? BottleneckResidual.BeforeNorm : BottleneckResidual.AfterNorm,
            },
        },
        c => c.ResidualBeforeLn == BottleneckResidual.PostAdd ? "post_add" : c.ResidualBeforeLn == BottleneckResidual.BeforeNorm);

    /// <summary>Throws if the configuration trains nothing or names blocks that the model does not have.</summary>
    public static void Check(BottleneckConfig config, int blocks)
    {
        string? problem = config switch
        {
            { MhAdapter: false, OutputAdapter: false } =>
                "mh_adapter and output_adapter are both false, so there is nothing to train; turn one on",
            _ when config.ReductionFactors.Values.Append(config.ReductionFactor).Any(factor => !(factor > 0) || !double.IsFinite(factor)) =>
                "reduction_factor must be a number above 0",
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
}
