using PeftCore.Models.Generation;
using PeftCore.Server.Http;

namespace PeftCore.Server.Protocol;

/// <summary>What chat and text completions have in common: the model, how tokens are chosen, when a text ends, how it is sent.</summary>
internal abstract class GenerationRequest
{
    private const int MostChoices = 128, MostStops = 4;

    /// <summary>The name of a served model: the base or an adapter.</summary>
    public string? Model { get; private set; }

    /// <summary>Texts for each prompt.</summary>
    public int Choices { get; private set; } = 1;

    /// <summary>Whether pieces are sent as they are generated.</summary>
    public bool Stream { get; private set; }

    /// <summary>Whether a stream ends with the numbers of tokens.</summary>
    public bool IncludeUsage { get; private set; }

    /// <summary>The most new tokens; null if the request does not say.</summary>
    public int? MaxTokens { get; private set; }

    private string? MaxTokensField { get; set; }

    private double Temperature { get; set; } = 1;

    private double TopP { get; set; } = 1;

    private int TopK { get; set; }

    private double MinP { get; set; }

    private double RepetitionPenalty { get; set; } = 1;

    private int MinTokens { get; set; }

    private IReadOnlyList<string> Stops { get; set; } = [];

    private long? Seed { get; set; }

    /// <summary>The options of one text.</summary>
    /// <param name="model">What the model's own files set.</param>
    /// <param name="maxNewTokens">The most new tokens.</param>
    /// <param name="choice">Index of the text among those of its prompt: each draws from a seed of its own.</param>
    public GenerationOptions Options(GenerationOptions model, int maxNewTokens, int choice) => model with
    {
        MaxNewTokens = maxNewTokens,
        MinNewTokens = Math.Max(MinTokens, model.MinNewTokens),
        // A positive temperature that F32 rounds to zero must not silently become greedy decoding.
        Temperature = Temperature > 0 ? Math.Max((float)Temperature, 1e-30f) : 0,
        TopP = (float)TopP,
        TopK = TopK,
        MinP = (float)MinP,
        RepetitionPenalty = RepetitionPenalty == 1 ? model.RepetitionPenalty : (float)RepetitionPenalty,
        StopStrings = Stops,
        NumBeams = 1,
        NumReturnSequences = 1,
        Seed = unchecked((ulong)(Seed ?? Random.Shared.NextInt64()) + (ulong)choice),
    };

    /// <summary>The rows of the fields that both kinds of completion have.</summary>
    protected static FieldTable<T> Rows<T>()
        where T : GenerationRequest => new FieldTable<T>()
        .Add("model", (r, f) => r.Model = f.Text())
        .Add("temperature", (r, f) => r.Temperature = f.Number(0, 2))
        .Add("top_p", (r, f) => r.TopP = f.Number(0, 1) is > 0 and var p ? p : throw f.Bad("a number above 0 and at most 1"))
        .Add("top_k", (r, f) => r.TopK = f.Whole(-1, int.MaxValue) is var k && k < 0 ? 0 : (int)k)
        .Add("min_p", (r, f) => r.MinP = f.Number(0, 1))
        .Add("repetition_penalty", (r, f) => r.RepetitionPenalty = f.Number(0, 100) is > 0 and var p ? p
            : throw f.Bad("a number above 0 and at most 100"))
        .Add("max_tokens", (r, f) => r.SetMaxTokens(f))
        .Add("min_tokens", (r, f) => r.MinTokens = (int)f.Whole(0, int.MaxValue))
        .Add("stop", (r, f) => r.Stops = StopsOf(f))
        .Add("seed", (r, f) => r.Seed = f.Whole(long.MinValue))
        .Add("n", (r, f) => r.Choices = (int)f.Whole(1, MostChoices))
        .Add("stream", (r, f) => r.Stream = f.Flag())
        .Add("stream_options", (r, f) => r.ReadStreamOptions(f))
        .Refuse("presence_penalty", IsZero, "choose repetition_penalty, or leave it out")
        .Refuse("frequency_penalty", IsZero, "choose repetition_penalty, or leave it out")
        .Refuse("logit_bias", f => f.Members().Count == 0, "no token's logit is changed; leave it out")
        // They name the end user or a cache, and change no answer.
        .Accept("user", "safety_identifier", "prompt_cache_key");

    /// <summary>Checks what several fields say together.</summary>
    /// <exception cref="ApiException">A field is missing, or two contradict each other.</exception>
    public virtual void Check()
    {
        if (Model is null)
        {
            throw ApiException.Bad("model", "model is missing; /v1/models lists the names there are", "missing_required_parameter");
        }
        if (IncludeUsage && !Stream)
        {
            throw ApiException.Bad("stream_options", "stream_options has no meaning without \"stream\": true; leave it out");
        }
        if (MaxTokens < MinTokens)
        {
            throw ApiException.Bad("min_tokens", $"min_tokens is {MinTokens}, above {MaxTokensField}, which is {MaxTokens}");
        }
    }

    /// <summary>Stores the limit of new tokens, which has two names.</summary>
    protected void SetMaxTokens(Field field)
    {
        int value = (int)field.Whole(1, int.MaxValue);
        if (MaxTokensField is { } other && value != MaxTokens)
        {
            throw ApiException.Bad(field.Name,
                $"{other} is {MaxTokens} and {field.Name} {value}, but they are one limit; give one of them");
        }
        (MaxTokens, MaxTokensField) = (value, field.Name);
    }

    private void ReadStreamOptions(Field field)
    {
        foreach (var member in field.Members())
        {
            switch (member.LocalName)
            {
                case "include_usage":
                    IncludeUsage = !member.IsNull && member.Flag();
                    break;
                case "include_obfuscation" when member.IsNull || !member.Flag():
                    break;
                default:
                    throw ApiException.Bad(member.Name, $"{member.Name} is not supported; stream_options has include_usage",
                        "unsupported_parameter");
            }
        }
    }

    private static IReadOnlyList<string> StopsOf(Field field)
    {
        IReadOnlyList<string> stops = field.IsText ? [field.Text()] : [.. field.Items().Select(item => item.Text())];
        string name = field.Name;
        return stops.Count > MostStops ? throw ApiException.Bad(name, $"{name} has {stops.Count} texts, expected at most {MostStops}")
            : stops.Contains("") ? throw ApiException.Bad(name, $"{name} has an empty text, which would end every answer at once")
            : stops;
    }

    private static bool IsZero(Field field) => field.Number(-2, 2) == 0;
}
