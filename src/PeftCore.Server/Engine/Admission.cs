using PeftCore.Server.Http;

namespace PeftCore.Server.Engine;

/// <summary>Counts the texts that run or wait, and refuses more than there is room for.</summary>
/// <param name="concurrent">Texts that run at once.</param>
/// <param name="queue">Texts that wait.</param>
internal sealed class Admission(int concurrent, int queue)
{
    private const int LongestWait = 60;

    // The weight of the newest text in the mean time of a text.
    private const double Newest = 0.1;

    private readonly Lock _turn = new();
    private int _inside;
    private double _seconds = 1;

    /// <summary>Texts that run or wait.</summary>
    public int Inside => _inside;

    /// <summary>Admits some texts until the result is disposed.</summary>
    /// <exception cref="ApiException">There is no room for them now, or never.</exception>
    public IDisposable Enter(int texts)
    {
        if (texts > concurrent + queue)
        {
            throw new ApiException(400, $"the request is for {texts} texts, but this server takes at most {concurrent + queue} at once; " +
                "send fewer prompts, or a smaller n");
        }
        lock (_turn)
        {
            if (_inside + texts > concurrent + queue)
            {
                int wait = (int)Math.Clamp(Math.Ceiling(_seconds * _inside / concurrent), 1, LongestWait);
                throw new ApiException(429, $"the server has {_inside} texts to generate and room for {concurrent + queue}; try again in " +
                    $"{wait} s", code: "queue_full")
                {
                    RetryAfter = wait,
                };
            }
            _inside += texts;
        }
        return new Place(this, texts, TimeProvider.System.GetTimestamp());
    }

    private void Leave(int texts, double seconds)
    {
        lock (_turn)
        {
            _inside -= texts;
            _seconds += Newest * (seconds - _seconds);
        }
    }

    private sealed class Place(Admission owner, int texts, long began) : IDisposable
    {
        private bool _left;

        public void Dispose()
        {
            if (!_left)
            {
                _left = true;
                owner.Leave(texts, TimeProvider.System.GetElapsedTime(began).TotalSeconds);
            }
        }
    }
}
