using PeftCore.Server.Http;
using PeftCore.Tokenizers;

namespace PeftCore.Server.Protocol;

/// <summary>A request of /v1/chat/completions.</summary>
internal sealed class ChatRequest : GenerationRequest
{
    private const string OneAnswer = "the answer is text as the model writes it";

    /// <summary>All fields of the request.</summary>
    public static FieldTable<ChatRequest> Fields { get; } = Rows<ChatRequest>()
        .Add("messages", (r, f) => r.Messages = [.. f.Items().Select(ChatFields.MessageOf)])
        .Add("max_completion_tokens", (r, f) => r.SetMaxTokens(f))
        .Add("chat_template_kwargs", (r, f) => r.TemplateFields = f.Members()
            .ToDictionary(member => member.LocalName, member => (object?)member.Value.Clone()))
        .Refuse("logprobs", f => !f.Flag(), "log-probabilities are not computed")
        .Refuse("top_logprobs", f => f.Whole(0) == 0, "log-probabilities are not computed")
        .Refuse("response_format", f => f.Members() is [{ LocalName: "type" } type] && type.Text() == "text", OneAnswer +
            "; {\"type\": \"text\"} is the one format")
        .Refuse("tools", f => f.Items().Count == 0, OneAnswer + ", of which no calls are read")
        .Refuse("tool_choice", f => f.IsText && f.Text() is "none" or "auto", "there are no tools to choose from")
        .Refuse("modalities", f => f.Items() is [var one] && one.Text() == "text", OneAnswer)
        .Refuse("service_tier", f => f.Text() is "auto" or "default", "all requests are served alike")
        .Refuse("store", f => !f.Flag(), "answers are not kept")
        .Refuse("metadata", f => f.Members().Count == 0, "answers are not kept, so nothing can be filed with them")
        .Refuse("parallel_tool_calls", f => { f.Flag(); return true; }, "")
        .Refuse(OneAnswer, "functions", "function_call", "audio", "prediction", "reasoning_effort", "verbosity", "web_search_options");

    public IReadOnlyList<ChatMessage> Messages { get; private set; } = [];

    /// <summary>Further variables of the chat template.</summary>
    public IReadOnlyDictionary<string, object?>? TemplateFields { get; private set; }

    public override void Check()
    {
        base.Check();
        if (Messages.Count == 0)
        {
            throw ApiException.Bad("messages", "messages is missing or empty", "missing_required_parameter");
        }
    }
}
