using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>The rotary positions of a configuration. New files have rope_parameters, older ones rope_scaling and rope_theta; in a file with
/// both, rope_scaling replaces rope_parameters as a whole, as in Hugging Face transformers 5.</summary>
internal static class RopeSettings
{
    private const string New = "rope_parameters", Old = "rope_scaling", Base = "rope_theta", Original = "original_max_position_embeddings";

    // The fields that transformers reads for every type; it ignores others with a warning.
    private static readonly string[] Common = ["rope_type", "type", Base, "partial_rotary_factor"];

    /// <summary>Reads base and scaling.</summary>
    /// <param name="config">config.json.</param>
    /// <param name="maxLength">Maximum sequence length, the default of llama3's scaling.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    /// <exception cref="BadInputException">A type is not supported, a field is missing or wrong, or two fields contradict each
    /// other.</exception>
    public static (double Theta, RopeScaling Scaling) Read(ConfigReader config, int maxLength, ICollection<string>? warnings)
    {
        // An empty object is absent, as in Python.
        var old = config.ObjectOrNull(Old) is { } o && o.Names.Any() ? o : null;
        var current = config.ObjectOrNull(New);
        double? outer = config.FloatOrNull(Base, min: 1);
        if ((old ?? current) is not { } chosen)
        {
            return (outer ?? 10000, new RopeScaling("default"));
        }
        double theta = chosen.FloatOrNull(Base, min: 1) ?? outer ?? 10000;
        var scaling = Scaling(config, chosen, maxLength, warnings);
        if (old is not null && current is not null)
        {
            Compare(config, current, old, theta, scaling, maxLength, warnings);
        }
        if (outer is { } top && top != theta)
        {
            warnings?.Add($"{config.Source}: field \"{Base}\" is {top:R}, but \"{(old is null ? New : Old)}.{Base}\" is {theta:R}, which " +
                "counts.");
        }
        return (theta, scaling);
    }

    private static void Compare(
        ConfigReader config, ConfigReader current, ConfigReader old, double theta, RopeScaling scaling, int maxLength,
        ICollection<string>? warnings)
    {
        if (current.FloatOrNull(Base, min: 1) is { } lost && lost != theta && !old.Has(Base))
        {
            throw config.Error(Old,
                $"stands beside \"{New}\" and replaces it, so that \"{New}.{Base}\" = {lost:R} would become {theta:R}; " +
                $"put {Base} into \"{Old}\", or keep only one of the two");
        }
        bool same = TypeOf(current) == scaling.Type && Scaling(config, current, maxLength, null) == scaling
            && (current.FloatOrNull(Base, min: 1) ?? theta) == theta;
        if (!same)
        {
            warnings?.Add($"{config.Source}: \"{New}\" ({TypeOf(current)}) and \"{Old}\" ({scaling.Type}) disagree; " +
                $"\"{Old}\" counts as a whole, as in transformers 5.");
        }
    }

    private static RopeScaling Scaling(ConfigReader config, ConfigReader fields, int maxLength, ICollection<string>? warnings)
    {
        foreach (string name in fields.Names)
        {
            if (fields.Raw(name) is { ValueKind: System.Text.Json.JsonValueKind.Object })
            {
                throw fields.Error(name, "is an object: positions that differ between kinds of blocks are not supported");
            }
        }
        if (fields.Has("rope_type") && fields.Has("type") && fields.String("rope_type") != fields.String("type"))
        {
            throw fields.Error("rope_type",
                $"is \"{fields.String("rope_type")}\", but the older \"type\" beside it is \"{fields.String("type")}\"; keep one of them");
        }
        double part = fields.Float("partial_rotary_factor", 1);
        if (part != 1)
        {
            throw fields.Error("partial_rotary_factor", $"is {part:R}: positions that turn a part of each head are not supported");
        }
        string type = TypeOf(fields);
        string[] own = type switch
        {
            "default" => [],
            "linear" => ["factor"],
            "llama3" => ["factor", "low_freq_factor", "high_freq_factor", Original],
            _ => throw fields.Error(fields.Has("rope_type") ? "rope_type" : "type",
                $"is \"{type}\", which is not supported; supported are default, linear, llama3"),
        };
        string[] extra = [.. fields.Names.Where(name => fields.Has(name) && !Common.Contains(name) && !own.Contains(name)).Distinct()];
        if (extra.Length > 0)
        {
            warnings?.Add(fields.Sentence(extra[0], $"means nothing to positions of type \"{type}\" and is ignored"));
        }
        return type switch
        {
            "linear" => new RopeScaling(type, Factor(fields)),
            "llama3" => Llama3(config, fields, maxLength, warnings),
            _ => new RopeScaling(type),
        };
    }

    private static RopeScaling Llama3(ConfigReader config, ConfigReader fields, int maxLength, ICollection<string>? warnings)
    {
        float low = (float)fields.Float("low_freq_factor", min: 0, max: 1e6),
            high = (float)fields.Float("high_freq_factor", min: 0, max: 1e6);
        if (high <= low)
        {
            throw fields.Error("high_freq_factor", $"is {high}, which must be above low_freq_factor = {low}");
        }
        int? inner = fields.IntOrNull(Original, min: 1), outer = config.IntOrNull(Original, min: 1);
        if (inner is not null && outer is not null && inner != outer)
        {
            throw fields.Error(Original, $"is {inner}, but the same field outside is {outer}; keep one of them");
        }
        if ((inner ?? outer) is not { } length)
        {
            length = maxLength;
            warnings?.Add(fields.Sentence(Original, $"is missing; max_position_embeddings = {maxLength} is taken, as in transformers 5"));
        }
        return new RopeScaling("llama3", Factor(fields), low, high, length);
    }

    private static float Factor(ConfigReader fields) => (float)fields.Float("factor", min: 1, max: 1e6);

    private static string TypeOf(ConfigReader fields) => fields.StringOrNull("rope_type") ?? fields.StringOrNull("type") ?? "default";
}
