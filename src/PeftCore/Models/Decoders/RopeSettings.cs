using System.Text.Json;
using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>What a family has without fields about its rotary positions.</summary>
/// <param name="HeadDim">Elements of a head.</param>
/// <param name="MaxLength">max_position_embeddings.</param>
/// <param name="Theta">The base.</param>
/// <param name="Part">The part of each head that turns; null if the family has no such field and turns all of it.</param>
/// <param name="Interleaved">See <see cref="RopeSpec"/>.</param>
internal sealed record RopeDefaults(int HeadDim, int MaxLength, double Theta = 10000, double? Part = null, bool Interleaved = false)
{
    /// <summary>original_max_position_embeddings; null if max_position_embeddings is taken instead.</summary>
    public int? OriginalLength { get; init; }

    /// <summary>Fields beside those of rope_type that the family reads itself.</summary>
    public IReadOnlyList<string> Own { get; init; } = [];

    /// <summary>Further names of rope_type with their meaning, which early files of the family have.</summary>
    public IReadOnlyDictionary<string, string> Aliases { get; init; } = new Dictionary<string, string>();
}

/// <summary>The rotary positions of a configuration. New files have rope_parameters, older ones rope_scaling and rope_theta; in a file with
/// both, rope_scaling replaces rope_parameters as a whole, as in Hugging Face transformers 5.</summary>
internal static class RopeSettings
{
    private const string New = "rope_parameters", Old = "rope_scaling", Base = "rope_theta", Part = "partial_rotary_factor";
    private const string Full = "full_attention", Sliding = "sliding_attention";

    /// <summary>Reads the positions that all blocks have.</summary>
    /// <param name="config">config.json.</param>
    /// <param name="defaults">What absent fields mean.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    /// <exception cref="BadInputException">A type is not supported, a field is missing or wrong, or two fields contradict each
    /// other.</exception>
    public static RopeSpec Read(ConfigReader config, RopeDefaults defaults, ICollection<string>? warnings)
    {
        // An empty object is absent, as in Python.
        var old = config.ObjectOrNull(Old) is { } o && o.Names.Any() ? o : null;
        var current = config.ObjectOrNull(New);
        double? outer = config.FloatOrNull(Base, min: 1);
        if ((old ?? current) is not { } chosen)
        {
            return Spec(defaults, outer ?? defaults.Theta, new DefaultRope(), PartOf(config, null, defaults));
        }
        double theta = chosen.FloatOrNull(Base, min: 1) ?? outer ?? defaults.Theta;
        var scaling = RopeScalingFields.Read(config, RefuseKinds(chosen), defaults, PartOf(config, chosen, defaults), theta, warnings);
        if (old is not null && current is not null)
        {
            Compare(config, current, old, theta, scaling, defaults, warnings);
        }
        if (outer is { } top && top != theta)
        {
            warnings?.Add($"{config.Source}: field \"{Base}\" is {top:R}, but \"{(old is null ? New : Old)}.{Base}\" is {theta:R}, which " +
                "counts.");
        }
        return Spec(defaults, theta, scaling, PartOf(config, chosen, defaults));
    }

    /// <summary>Reads the positions of a family whose blocks with a window have others than its blocks without: new files have an object
    /// for each kind in rope_parameters; in older ones rope_theta and rope_scaling belong to the blocks without a window.</summary>
    /// <param name="config">config.json.</param>
    /// <param name="defaults">What absent fields mean for blocks without a window.</param>
    /// <param name="slidingTheta">The base of the blocks with a window, in older files and where it is absent; null for that of the
    /// others.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    /// <returns>The positions of blocks without and with a window.</returns>
    /// <exception cref="BadInputException">As for <see cref="Read"/>.</exception>
    public static (RopeSpec Full, RopeSpec Sliding) ReadByKind(ConfigReader config, RopeDefaults defaults, double? slidingTheta,
        ICollection<string>? warnings)
    {
        if (config.ObjectOrNull(New) is not { } current || !current.Names.Any())
        {
            var full = Read(config, defaults, warnings);
            return (full, full with { Theta = slidingTheta ?? full.Theta, Scaling = new DefaultRope() });
        }
        if (config.ObjectOrNull(Old) is { } old && old.Names.Any())
        {
            throw config.Error(Old, $"stands beside \"{New}\", which has an object for each kind of block; keep one of the two");
        }
        return (OfKind(Full, defaults), OfKind(Sliding, defaults with { Theta = slidingTheta ?? defaults.Theta }));

        RopeSpec OfKind(string kind, RopeDefaults own)
        {
            var fields = current.Object(kind);
            double theta = fields.FloatOrNull(Base, min: 1) ?? own.Theta;
            double part = PartOf(config, fields, own);
            return Spec(own, theta, RopeScalingFields.Read(config, fields, own, part, theta, warnings), part);
        }
    }

    private static void Compare(ConfigReader config, ConfigReader current, ConfigReader old, double theta, RopeScaling scaling,
        RopeDefaults defaults, ICollection<string>? warnings)
    {
        if (current.FloatOrNull(Base, min: 1) is { } lost && lost != theta && !old.Has(Base))
        {
            throw config.Error(Old,
                $"stands beside \"{New}\" and replaces it, so that \"{New}.{Base}\" = {lost:R} would become {theta:R}; " +
                $"put {Base} into \"{Old}\", or keep only one of the two");
        }
        double part = PartOf(config, current, defaults);
        bool same = RopeScalingFields.Read(config, RefuseKinds(current), defaults, part, theta, null) == scaling
            && (current.FloatOrNull(Base, min: 1) ?? theta) == theta && part == PartOf(config, old, defaults);
        if (!same)
        {
            warnings?.Add($"{config.Source}: \"{New}\" ({RopeScalingFields.TypeOf(current)}) and \"{Old}\" ({scaling.Type}) disagree; " +
                $"\"{Old}\" counts as a whole, as in transformers 5.");
        }
    }

    private static RopeSpec Spec(RopeDefaults defaults, double theta, RopeScaling scaling, double part) =>
        new(theta, scaling, Dimension(defaults, part), defaults.Interleaved);

    /// <summary>The columns of a head that turn: int(head dim·part), as in transformers.</summary>
    internal static int Dimension(RopeDefaults defaults, double part) => (int)(defaults.HeadDim * part);

    private static double PartOf(ConfigReader config, ConfigReader? fields, RopeDefaults defaults)
    {
        double? inner = fields?.FloatOrNull(Part);
        if (defaults.Part is not { } usual)
        {
            return inner is null or 1 ? 1
                : throw fields!.Error(Part, $"is {inner:R}: positions that turn a part of each head are not supported for this model");
        }
        double? outer = config.FloatOrNull(Part);
        if (inner is not null && outer is not null && inner != outer)
        {
            throw fields!.Error(Part, $"is {inner:R}, but the same field outside is {outer:R}; keep one of them");
        }
        double part = inner ?? outer ?? usual;
        int columns = part is > 0 and <= 1 ? Dimension(defaults, part) : 0;
        return columns > 0 && columns % 2 == 0 ? part : throw (inner is not null ? fields! : config).Error(Part,
            $"is {part:R}, of {defaults.HeadDim} columns of a head; expected a part of them that is a positive even number of columns");
    }

    private static ConfigReader RefuseKinds(ConfigReader fields)
    {
        foreach (string name in fields.Names)
        {
            if (fields.Raw(name) is { ValueKind: JsonValueKind.Object })
            {
                throw fields.Error(name,
                    "is an object: positions that differ between kinds of blocks are not supported for this model");
            }
        }
        return fields;
    }
}
