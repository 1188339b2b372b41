using PeftCore.Fuzz.Inputs;

namespace PeftCore.Fuzz.Kinds;

/// <summary>Duplicate or incomplete settings of rotary positions.</summary>
internal static class RopeContradictions
{
    private const string Llama3 =
        "{\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, " +
        "\"original_max_position_embeddings\": 32}";

    public static IEnumerable<ConfigRule> Rules(string[] families) =>
    [
        new("rope_scaling beside rope_parameters", families, (random, config) =>
        {
            string theta = random.Pick("", ", \"rope_theta\": 10000.0", ", \"rope_theta\": 500000.0");
            string scaling = random.Pick(
                $"{{\"type\": \"linear\", \"factor\": 2.0{theta}}}", $"{{\"rope_type\": \"linear\", \"factor\": 4.0{theta}}}",
                $"{{\"rope_type\": \"dynamic\", \"factor\": 2.0{theta}}}",
                $"{{\"rope_type\": \"yarn\", \"factor\": 4.0, \"original_max_position_embeddings\": 16{theta}}}", Llama3,
                "{\"rope_type\": \"longrope\"}");
            var alone = config.Clone();
            alone.Remove("rope_parameters");
            alone.Set("rope_scaling", scaling);
            config.Set("rope_scaling", scaling);
            // transformers 5 lets rope_scaling replace the whole; that is as good as a word.
            return new Claim(Expectation.Any, ["rope_scaling", "rope_parameters"],
                ConfigChecks.WarnedOrSameAs(alone.ToString(), "rope_scaling", "rope_parameters"));
        }),
        new("two different rope_theta", families, (random, config) =>
        {
            config.Set("rope_theta", random.Pick("500000.0", "1000000", "10001.0", "8000"));
            return Claim.About("rope_theta");
        }),
        new("type beside another rope_type", families, (random, config) =>
        {
            Parameters(random, config, random.Pick("{\"rope_type\": \"default\", \"type\": \"linear\", \"factor\": 2.0}",
                "{\"rope_type\": \"linear\", \"type\": \"dynamic\", \"factor\": 2.0}"));
            return Claim.About("type");
        }),
        new("a factor without a scaling", families, (random, config) =>
        {
            Parameters(random, config, random.Pick("{\"rope_type\": \"default\", \"factor\": 2.0, \"rope_theta\": 10000.0}",
                "{\"factor\": 4.0, \"rope_theta\": 10000.0}", "{\"type\": \"default\", \"factor\": 8}"));
            return Claim.About("factor", "rope_type");
        }),
        new("a scaling without its numbers", families, (random, config) =>
        {
            Parameters(random, config, random.Pick(
                "{\"rope_type\": \"linear\"}", "{\"rope_type\": \"linear\", \"factor\": null}",
                "{\"rope_type\": \"linear\", \"factor\": \"2\"}", "{\"type\": \"linear\", \"factor\": 0}",
                "{\"type\": \"linear\", \"factor\": -2}",
                "{\"rope_type\": \"llama3\", \"factor\": 8.0}", Llama3.Replace("\"factor\": 8.0, ", "", StringComparison.Ordinal),
                Llama3.Replace("32", "0", StringComparison.Ordinal), "{\"rope_type\": \"linear\", \"factor\": 1e39}"));
            return Claim.Impossible;
        }),
        new("a scaling nobody knows", families, (random, config) =>
        {
            Parameters(random, config, random.Pick("{\"rope_type\": \"su2\", \"factor\": 2.0}", "{\"rope_type\": \"\", \"factor\": 2.0}",
                "{\"rope_type\": 3}", "{\"type\": \"Linear\", \"factor\": 2.0}", "[]", "\"linear\"", "2.0"));
            return Claim.Impossible;
        }),
        new("llama3 bounds in the wrong order", families, (random, config) =>
        {
            Parameters(random, config,
                random.Pick(Llama3.Replace("\"high_freq_factor\": 4.0", "\"high_freq_factor\": 1.0", StringComparison.Ordinal),
                    Llama3.Replace("\"low_freq_factor\": 1.0", "\"low_freq_factor\": 8.0", StringComparison.Ordinal)));
            return Claim.About("low_freq_factor", "high_freq_factor");
        }),
        new("positions for part of a head", families, (random, config) =>
        {
            string factor = random.Pick("0.5", "0.25");
            if (random.OnceIn(2))
            {
                config["rope_parameters"]!.Set("partial_rotary_factor", factor);
            }
            else
            {
                config.Set("partial_rotary_factor", factor);
            }
            return Claim.About("partial_rotary_factor");
        }),
    ];

    /// <summary>Sets the parameters under their new name or their old one, alone.</summary>
    private static void Parameters(FuzzRandom random, JsonTree config, string json)
    {
        if (random.OnceIn(2))
        {
            config.Remove("rope_parameters");
            config.Set("rope_scaling", json);
        }
        else
        {
            config.Set("rope_parameters", json);
        }
    }
}
