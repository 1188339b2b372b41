namespace PeftCore.Tokenizers.Tests.Chat;

internal sealed class ChatTemplateClock(DateTimeOffset now) : TimeProvider
{
    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public static string Render(ChatTemplate template, TimeProvider clock) => template.WithClock(clock).Render([]);

    public override DateTimeOffset GetUtcNow() => now;
}
