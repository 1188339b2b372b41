using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>Fields that encoder-decoders share.</summary>
internal static class Seq2SeqFields
{
    private static readonly string[] Own = ["is_encoder_decoder", "scale_embedding"];

    /// <summary>Refuses fields that would change the results.</summary>
    public static void Refuse(ConfigReader config, string type, params ReadOnlySpan<(string Name, double[] Neutral)> further)
    {
        if (!config.Bool("is_encoder_decoder", true))
        {
            throw config.Error("is_encoder_decoder", $"is false, but {type} models here have both an encoder and a decoder");
        }
        ForeignFields.Refuse(config, type, Own, [("is_decoder", [0]), ("rope_scaling", []), ("rope_parameters", []), .. further]);
    }

    /// <summary>A token's number.</summary>
    public static int Token(ConfigReader config, string name, int fallback, int vocabulary)
    {
        int token = config.IntOrNull(name, min: 0) ?? fallback;
        return token < vocabulary ? token
            : throw config.Error(name, $"is {token}, but the vocabulary has {vocabulary} tokens");
    }
}
