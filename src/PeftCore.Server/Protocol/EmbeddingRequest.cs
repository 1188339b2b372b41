using PeftCore.Server.Http;

namespace PeftCore.Server.Protocol;

/// <summary>A request of /v1/embeddings.</summary>
internal sealed class EmbeddingRequest
{
    private const int MostInputs = 2048;

    /// <summary>All fields of the request.</summary>
    public static FieldTable<EmbeddingRequest> Fields { get; } = new FieldTable<EmbeddingRequest>()
        .Add("model", (r, f) => r.Model = f.Text())
        .Add("input", (r, f) => r.Inputs = TextsOf(f))
        .Add("encoding_format", (r, f) => r.Base64 = f.Text() switch
        {
            "float" => false,
            "base64" => true,
            _ => throw ApiException.Bad(f.Name, $"{f.Name} is unknown, expected float or base64"),
        })
        .Add("dimensions", (r, f) => r.Dimensions = (int)f.Whole(1, int.MaxValue))
        .Accept("user", "safety_identifier");

    public string? Model { get; private set; }

    public IReadOnlyList<string> Inputs { get; private set; } = [];

    /// <summary>Whether a vector is sent as the base64 text of its little-endian floats, and not as a list of numbers.</summary>
    public bool Base64 { get; private set; }

    /// <summary>The length that the vectors must have; null for that of the model.</summary>
    public int? Dimensions { get; private set; }

    /// <exception cref="ApiException">A field is missing.</exception>
    public void Check()
    {
        if (Model is null)
        {
            throw ApiException.Bad("model", "model is missing; /v1/models lists the names there are", "missing_required_parameter");
        }
        if (Inputs.Count == 0)
        {
            throw ApiException.Bad("input", "input is missing or empty", "missing_required_parameter");
        }
        if (Inputs.Count > MostInputs)
        {
            throw ApiException.Bad("input", $"input has {Inputs.Count} texts, expected at most {MostInputs}");
        }
    }

    /// <exception cref="ApiException">The request wants vectors of another length.</exception>
    public void CheckDimensions(int columns)
    {
        if (Dimensions is { } wanted && wanted != columns)
        {
            throw ApiException.Bad("dimensions", $"dimensions is {wanted}, but the vectors of this model have {columns}, and a part of " +
                "one is no embedding unless the model was trained so; leave it out", "unsupported_parameter");
        }
    }

    private static IReadOnlyList<string> TextsOf(Field field) => field.IsText ? [field.Text()]
        : [.. field.Items().Select(item => item.IsText ? item.Text()
            : throw item.Bad("a text: tokens are not read, because a client's are mostly those of another tokenizer"))];
}
