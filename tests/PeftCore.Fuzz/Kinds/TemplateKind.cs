using PeftCore.Fuzz.Engine;
using PeftCore.Fuzz.Inputs;
using PeftCore.Tokenizers;

namespace PeftCore.Fuzz.Kinds;

/// <summary>Chat templates: tokens in any order, changed real ones, random expressions, and programs that would not end or would fill the
/// memory.</summary>
internal sealed class TemplateKind : FuzzKind
{
    private const string FileName = "chat_template.jinja";

    private static readonly ChatMessage[][] Conversations =
    [
        [new("user", "Hi"), new("assistant", "Ho")],
        [new("system", "Be brief."), new("user", "2+2?"), new("assistant", "4"), new("user", "Sure?"), new("assistant", "Yes. ")],
        [],
        [new("assistant", "")],
        [new("user", "{{ x }} {% if %} 😀\0\r\n <|im_end|>"), new("assistant", "é\u0301\ud800")],
        [new("tool", "{\"a\": 1}"), new("", "")],
    ];

    public override string Name => "template";

    public override int Share => 15;

    public override FuzzInput Make(FuzzRandom random)
    {
        var (rule, text) = random.OneOf(
            (10, () => ("tokens", TemplateTexts.Soup(random))),
            (10, () => ("a changed real template", TemplateTexts.Changed(random))),
            (12, () => ("expressions", TemplateExpressions.Template(random))),
            (1, () => ("bombs", TemplateBombs.Make(random))),
            (2, () => ("damaged bytes", System.Text.Encoding.UTF8.GetString(Damage.Apply(random,
                System.Text.Encoding.UTF8.GetBytes(random.Pick(TemplateTexts.Real)))))));
        return new FuzzInput(rule, Expectation.Any, new FuzzFile(FileName, text)) { Context = $"{random.Below(Conversations.Length)}" };
    }

    public override FuzzSubject Open(string directory) => new Subject(directory);

    private sealed class Subject(string directory) : FuzzSubject(directory)
    {
        private static readonly Dictionary<string, object?> Extra = new()
        {
            ["tools"] = new object?[] { new Dictionary<string, object?> { ["name"] = "f",
                ["parameters"] = new Dictionary<string, object?> { ["x"] = 1.5, ["y"] = null } } },
            ["enable_thinking"] = true,
        };

        // The template is given as text; the caller that reads a file adds its name.
        public override bool NamesFiles => false;

        public override void Prepare(FuzzInput input)
        {
        }

        public override Reading Read(FuzzInput input)
        {
            var messages = Conversations[int.Parse(input.Context, System.Globalization.CultureInfo.InvariantCulture)];
            var template = ChatTemplate.Parse(System.Text.Encoding.UTF8.GetString(input.Files[0].Bytes));
            var chat = template.RenderWithSpans(messages, "<s>", "</s>");
            template.Render(messages, addGenerationPrompt: true, "<s>", "</s>", Extra);
            return new Reading([], Difference(chat));
        }

        private static string? Difference(RenderedChat chat)
        {
            int length = chat.Text.EnumerateRunes().Count(), end = 0;
            foreach (var span in chat.AssistantSpans)
            {
                if (span.Start < end || span.End < span.Start || span.End > length)
                {
                    return $"an assistant's span lies out of place: {span} of {length}";
                }
                end = span.End;
            }
            return null;
        }
    }
}
