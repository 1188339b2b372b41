using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>The scaling of rotary frequencies in an object of config.json: its type and what belongs to it.</summary>
internal static class RopeScalingFields
{
    private const string Original = "original_max_position_embeddings";

    // The fields that are read elsewhere or belong to every type.
    private static readonly string[] Common = ["rope_type", "type", "rope_theta", "partial_rotary_factor"];

    /// <summary>Reads the scaling.</summary>
    /// <param name="config">config.json.</param>
    /// <param name="fields">rope_parameters or rope_scaling, or the object of one kind of block.</param>
    /// <param name="defaults">What absent fields mean.</param>
    /// <param name="part">The part of a head that turns.</param>
    /// <param name="theta">The base.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    /// <exception cref="BadInputException">The type is not supported, or a field is missing or wrong.</exception>
    public static RopeScaling Read(ConfigReader config, ConfigReader fields, RopeDefaults defaults, double part, double theta,
        ICollection<string>? warnings)
    {
        if (fields.Has("rope_type") && fields.Has("type") && fields.String("rope_type") != fields.String("type"))
        {
            throw fields.Error("rope_type",
                $"is \"{fields.String("rope_type")}\", but the older \"type\" beside it is \"{fields.String("type")}\"; keep one of them");
        }
        string type = TypeOf(fields);
        type = defaults.Aliases.GetValueOrDefault(type, type);
        string[] own = type switch
        {
            "default" => [],
            "linear" => ["factor"],
            "dynamic" => ["factor", Original],
            "llama3" => ["factor", "low_freq_factor", "high_freq_factor", Original],
            "yarn" => ["factor", "beta_fast", "beta_slow", "attention_factor", "mscale", "mscale_all_dim", "truncate", Original],
            "longrope" => ["factor", "short_factor", "long_factor", "attention_factor", Original],
            _ => throw fields.Error(fields.Has("rope_type") ? "rope_type" : "type",
                $"is \"{type}\", which is not supported; supported are default, linear, dynamic, llama3, yarn, longrope"),
        };
        if (fields.Names.FirstOrDefault(IsExtra) is { } extra)
        {
            warnings?.Add(fields.Sentence(extra, $"means nothing to positions of type \"{type}\" and is ignored"));
        }
        return type switch
        {
            "linear" => new LinearRope(Factor(fields)),
            "dynamic" => Dynamic(fields, defaults),
            "llama3" => Llama3(config, fields, defaults, warnings),
            "yarn" => Yarn(config, fields, defaults, theta, warnings),
            "longrope" => Long(config, fields, defaults, part),
            _ => new DefaultRope(),
        };

        bool IsExtra(string name) =>
            fields.Has(name) && !Common.Contains(name) && !own.Contains(name) && !defaults.Own.Contains(name);
    }

    /// <summary>The type as the file has it.</summary>
    public static string TypeOf(ConfigReader fields) => fields.StringOrNull("rope_type") ?? fields.StringOrNull("type") ?? "default";

    private static DynamicRope Dynamic(ConfigReader fields, RopeDefaults defaults) =>
        fields.IntOrNull(Original, min: 1) is { } length && length != defaults.MaxLength
        ? throw fields.Error(Original, $"is {length}, but dynamic positions begin to change at max_position_embeddings = " +
            $"{defaults.MaxLength}; leave the field out")
        : new DynamicRope(Factor(fields), defaults.MaxLength);

    private static Llama3Rope Llama3(ConfigReader config, ConfigReader fields, RopeDefaults defaults, ICollection<string>? warnings)
    {
        float low = (float)fields.Float("low_freq_factor", min: 0, max: 1e6),
            high = (float)fields.Float("high_freq_factor", min: 0, max: 1e6);
        if (high <= low)
        {
            throw fields.Error("high_freq_factor", $"is {high}, which must be above low_freq_factor = {low}");
        }
        return new Llama3Rope(Factor(fields), low, high, OriginalLength(config, fields, defaults, warnings));
    }

    private static YarnRope Yarn(ConfigReader config, ConfigReader fields, RopeDefaults defaults, double theta,
        ICollection<string>? warnings)
    {
        if (theta <= 1)
        {
            throw config.Error("rope_theta", $"is {theta:R}, but positions of type \"yarn\" need a base above 1");
        }
        float factor = Factor(fields);
        float fast = (float)fields.Float("beta_fast", 32, min: 1e-3, max: 1e6),
            slow = (float)fields.Float("beta_slow", 1, min: 1e-3, max: 1e6);
        if (fast < slow)
        {
            throw fields.Error("beta_fast", $"is {fast}, which must not be below beta_slow = {slow}");
        }
        double mscale = fields.Float("mscale", 0, min: 0, max: 1e3), all = fields.Float("mscale_all_dim", 0, min: 0, max: 1e3);
        double cosine = mscale != 0 && all != 0 ? Growth(mscale) / Growth(all) : Growth(1);
        return new YarnRope(factor, OriginalLength(config, fields, defaults, warnings), fast, slow, fields.Bool("truncate", true),
            (float)fields.Float("attention_factor", cosine, min: 1e-6, max: 1e6));

        double Growth(double scale) => factor <= 1 ? 1 : 0.1 * scale * Math.Log(factor) + 1;
    }

    private static LongRope Long(ConfigReader config, ConfigReader fields, RopeDefaults defaults, double part)
    {
        int original = OriginalLength(config, fields, defaults, null);
        double factor = fields.Float("factor", Math.Max(1, (double)defaults.MaxLength / original), min: 1, max: 1e6);
        double cosine = factor <= 1 || original == 1 ? 1 : Math.Sqrt(1 + Math.Log(factor) / Math.Log(original));
        return new LongRope(Divisors("short_factor"), Divisors("long_factor"), original,
            (float)fields.Float("attention_factor", cosine, min: 1e-6, max: 1e6));

        FloatList Divisors(string name)
        {
            double[] values = fields.FloatsOrNull(name) ?? throw fields.Error(name, "is missing, expected a list of numbers");
            int expected = RopeSettings.Dimension(defaults, part) / 2;
            if (values.Length != expected)
            {
                throw fields.Error(name, $"lists {values.Length} numbers, but {2 * expected} columns of a head turn, in {expected} pairs");
            }
            return Array.TrueForAll(values, value => value > 0) ? new FloatList(values)
                : throw fields.Error(name, "lists a number that is not positive; frequencies are divided by them");
        }
    }

    private static int OriginalLength(ConfigReader config, ConfigReader fields, RopeDefaults defaults, ICollection<string>? warnings)
    {
        int? inner = fields.IntOrNull(Original, min: 1), outer = config.IntOrNull(Original, min: 1);
        if (inner is not null && outer is not null && inner != outer)
        {
            throw fields.Error(Original, $"is {inner}, but the same field outside is {outer}; keep one of them");
        }
        if ((inner ?? outer ?? defaults.OriginalLength) is { } length)
        {
            return length;
        }
        warnings?.Add(fields.Sentence(Original,
            $"is missing; max_position_embeddings = {defaults.MaxLength} is taken, as in transformers 5"));
        return defaults.MaxLength;
    }

    private static float Factor(ConfigReader fields) => (float)fields.Float("factor", min: 1, max: 1e6);
}
