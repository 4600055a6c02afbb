/* One epoch of a 784-100-10 network on MNIST, for train.py: four pixels of five are black, and are passed over here.

   A network is flat: w1[784][100], b1[100], w2[100][10], b2[10]. `used` holds its values on the grid of odd integers
   over `scale`, within +-`most` / `scale` (scale 0: as they are); the gradient at them is applied to `flat` (straight-
   through), by Adam with the defaults of Keras, within [-1, 1]. */
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { IN = 784, HIDDEN = 100, OUT = 10, B1 = IN * HIDDEN, W2 = B1 + HIDDEN, B2 = W2 + HIDDEN * OUT, ALL = B2 + OUT };

void round_all(const float *flat, float *used, float scale, float most) {
    if (scale == 0) {
        memcpy(used, flat, ALL * sizeof *used);
        return;
    }
    for (int i = 0; i < ALL; i++)
        used[i] = fminf(fmaxf(2 * floorf(flat[i] * scale / 2) + 1, -most), most) / scale;
}

/* Class scores of one image; its hidden layer is left in `hidden`. */
void forward(const float *used, const uint8_t *image, float *hidden, float *scores) {
    memcpy(hidden, used + B1, HIDDEN * sizeof *hidden);
    for (int p = 0; p < IN; p++)
        if (image[p]) {
            const float lit = image[p] / 255.0f, *row = used + p * HIDDEN;
            for (int h = 0; h < HIDDEN; h++) hidden[h] += lit * row[h];
        }
    memcpy(scores, used + B2, OUT * sizeof *scores);
    for (int h = 0; h < HIDDEN; h++) {
        hidden[h] = hidden[h] > 0 ? hidden[h] : 0;
        for (int o = 0; o < OUT; o++) scores[o] += hidden[h] * used[W2 + h * OUT + o];
    }
}

/* Adds one image's gradient of its cross-entropy to `grad`. */
void backward(const float *used, const uint8_t *image, int label, float *grad) {
    float hidden[HIDDEN], scores[OUT], below[HIDDEN], most, sum = 0;
    forward(used, image, hidden, scores);
    most = scores[0];
    for (int o = 1; o < OUT; o++) most = scores[o] > most ? scores[o] : most;
    for (int o = 0; o < OUT; o++) sum += scores[o] = expf(scores[o] - most);
    for (int o = 0; o < OUT; o++) scores[o] = scores[o] / sum - (o == label);
    for (int o = 0; o < OUT; o++) grad[B2 + o] += scores[o];
    for (int h = 0; h < HIDDEN; h++) {
        below[h] = 0;
        for (int o = 0; o < OUT; o++) {
            below[h] += scores[o] * used[W2 + h * OUT + o];
            grad[W2 + h * OUT + o] += hidden[h] * scores[o];
        }
        below[h] = hidden[h] > 0 ? below[h] : 0;
        grad[B1 + h] += below[h];
    }
    for (int p = 0; p < IN; p++)
        if (image[p]) {
            const float lit = image[p] / 255.0f;
            float *row = grad + p * HIDDEN;
            for (int h = 0; h < HIDDEN; h++) row[h] += lit * below[h];
        }
}

/* Goes through the images in the given order; returns the steps that Adam has made, `steps` of them before. */
int64_t epoch(float *flat, float *first, float *second, float *used, float *grad, const uint8_t *images,
              const int64_t *labels, const int64_t *order, int64_t count, int64_t batch, int64_t steps, float scale,
              float most) {
    const double rate = 1e-3, beta1 = 0.9, beta2 = 0.999;
    for (int64_t at = 0; at < count; at += batch) {
        const int64_t now = count - at < batch ? count - at : batch;
        round_all(flat, used, scale, most);
        memset(grad, 0, ALL * sizeof *grad);
        for (int64_t i = at; i < at + now; i++) backward(used, images + order[i] * IN, (int)labels[order[i]], grad);
        steps++;
        const float by = (float)(rate * sqrt(1 - pow(beta2, steps)) / (1 - pow(beta1, steps))), share = 1.0f / now;
        for (int i = 0; i < ALL; i++) {
            const float g = grad[i] * share;
            first[i] += (g - first[i]) * (float)(1 - beta1);
            second[i] += (g * g - second[i]) * (float)(1 - beta2);
            flat[i] = fminf(fmaxf(flat[i] - by * first[i] / (sqrtf(second[i]) + 1e-7f), -1), 1);
        }
    }
    round_all(flat, used, scale, most);
    return steps;
}

/* How many images are classified right. */
int64_t right(const float *used, const uint8_t *images, const int64_t *labels, int64_t count) {
    int64_t sum = 0;
    for (int64_t i = 0; i < count; i++) {
        float hidden[HIDDEN], scores[OUT];
        int best = 0;
        forward(used, images + i * IN, hidden, scores);
        for (int o = 1; o < OUT; o++) best = scores[o] > scores[best] ? o : best;
        sum += best == labels[i];
    }
    return sum;
}
