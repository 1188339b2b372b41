using System.Text.Json;
using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>DeBERTa (He et al. 2021) in version 2, and DeBERTaV3 (He et al. 2023): BERT whose attention sees the distances between tokens
/// (<see cref="DisentangledPositions"/>), mostly without a table of positions.</summary>
internal static class DebertaV2
{
    private static readonly EncoderNames Names = new()
    {
        Query = "attention.self.query_proj",
        Key = "attention.self.key_proj",
        Value = "attention.self.value_proj",
    };

    /// <summary>Reads a config.json.</summary>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static EncoderSpec Read(ConfigReader config)
    {
        string pooler = EncoderFields.Activation(config, "pooler_hidden_act", "gelu");
        float poolerDropout = EncoderFields.Probability(config, "pooler_dropout", 0);
        bool legacy = config.Bool("legacy", true);
        var spec = EncoderFields.Read(config, "deberta", (head, spec, task) =>
        {
            if (task.Task == ModelTask.MaskedLm && !legacy)
            {
                throw config.Error("legacy", "is false, whose masked language model is not supported; expected true");
            }
            Head(head, spec, task, pooler, poolerDropout);
        });
        RefuseOther(config, spec);
        float dropout = EncoderFields.ProbabilityOrNull(config, "cls_dropout") ?? spec.Dropout;
        bool biased = config.Bool("position_biased_input", true);
        return spec with
        {
            Names = Names,
            TokenTypes = config.Int("type_vocab_size", 0, min: 0),
            Epsilon = (float)config.Float("layer_norm_eps", 1e-7, min: 0, max: 1),
            PositionRows = biased ? spec.PositionRows : 0,
            HeadDropout = dropout,
            Relative = config.Bool("relative_attention", false) ? ReadRelative(config, spec) : null,
        };
    }

    private static RelativePositions ReadRelative(ConfigReader config, EncoderSpec spec)
    {
        int buckets = Math.Max(0, config.Int("position_buckets", -1, max: 1 << 20));
        int distance = config.Int("max_relative_positions", -1, max: 1 << 20);
        distance = distance < 1 ? spec.MaxLength : distance;
        string[] types = Types(config);
        string? norm = config.StringOrNull("norm_rel_ebd");
        return buckets is 0 or > 1 ? new RelativePositions(buckets > 0 ? buckets : distance, buckets, distance, types.Contains("c2p"),
                types.Contains("p2c"), config.Bool("share_att_key", false), norm?.Contains("layer_norm", StringComparison.Ordinal) ?? false)
            : throw config.Error("position_buckets", "is 1, which leaves no distances; expected at least 2, or -1 for none");
    }

    /// <summary>The kinds of scores, a list or a text such as "c2p|p2c".</summary>
    private static string[] Types(ConfigReader config)
    {
        string[] types = config.Raw("pos_att_type") switch
        {
            null => [],
            { ValueKind: JsonValueKind.String } text => [.. text.GetString()!.ToLowerInvariant().Split('|').Select(part => part.Trim())
                .Where(part => part is not ("" or "none"))],
            _ => config.StringsOrNull("pos_att_type")!,
        };
        return Array.Find(types, type => type is not ("c2p" or "p2c")) is { } unknown
            ? throw config.Error("pos_att_type", $"has \"{unknown}\", which is not supported; supported are c2p, p2c") : types;
    }

    private static void RefuseOther(ConfigReader config, EncoderSpec spec)
    {
        if (config.Int("conv_kernel_size", 0) > 0)
        {
            throw config.Error("conv_kernel_size", "asks for a convolution after the first block, which is not supported; the models of " +
                "the DeBERTaV3 series have none");
        }
        RefuseOther("embedding_size", spec.HiddenSize);
        RefuseOther("pooler_hidden_size", spec.HiddenSize);
        RefuseOther("attention_head_size", spec.HiddenSize / spec.Heads);

        void RefuseOther(string name, int expected)
        {
            if (config.IntOrNull(name) is { } value && value != expected)
            {
                throw config.Error(name, $"is {value}, which is not supported; expected {expected}");
            }
        }
    }

    private static void Head(HeadLayers head, EncoderSpec spec, TaskSpec task, string pooler, float poolerDropout)
    {
        switch (task.Task)
        {
            case ModelTask.SequenceClassification:
                head.Dropout(poolerDropout).Dense("pooler.dense", spec.HiddenSize).Activate(pooler)
                    .Dropout(spec.HeadDropout).Dense("classifier", task.LabelCount);
                break;
            case ModelTask.TokenClassification:
                head.Dropout(spec.Dropout).Dense("classifier", task.LabelCount);
                break;
            case ModelTask.QuestionAnswering:
                head.Dense("qa_outputs", 2);
                break;
            case ModelTask.MaskedLm:
                Bert.PredictTokens(head, spec);
                break;
        }
    }
}
