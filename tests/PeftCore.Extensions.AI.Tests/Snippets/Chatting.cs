using Microsoft.Extensions.AI;

namespace PeftCore.Extensions.AI.Tests.Snippets;

internal static class Chatting
{
    public static async Task RunAsync(string modelDirectory)
    {
        using var client = PeftCoreChatClient.Load(new PeftCoreChatOptions { ModelDirectory = modelDirectory, ChatTemplate = "chatml" });
        await foreach (var update in client.GetStreamingResponseAsync("Tell me a story.", new ChatOptions { MaxOutputTokens = 20 }))
        {
            Console.Write(update.Text);
        }
    }
}
